//! Tests of the oracle's parts. Unit tests would require a second build of the library, which takes minutes.

mod pattern {
    use talloc_fuzz::pattern::{PERIOD, difference, write};

    #[test]
    fn parts_agree_with_the_whole() {
        let mut whole = [0; 64];
        write(7, 0, &mut whole);
        for start in 0..whole.len() {
            for end in start..whole.len() {
                let mut part = [0; 64];
                write(7, start, &mut part[..end - start]);
                assert_eq!(part[..end - start], whole[start..end]);
                assert_eq!(difference(7, start, &whole[start..end]), None);
            }
        }
    }

    #[test]
    fn every_changed_byte_is_found() {
        let mut bytes = [0; 40];
        write(3, 5, &mut bytes);
        for at in 0..bytes.len() {
            bytes[at] ^= 0x10;
            assert_eq!(difference(3, 5, &bytes), Some(at));
            bytes[at] ^= 0x10;
        }
    }

    #[test]
    fn patterns_go_on_after_a_period() {
        let mut bytes = vec![0; 2 * PERIOD + 100];
        write(1, 9, &mut bytes);
        assert_eq!(bytes[..100], bytes[2 * PERIOD..]);
        assert_eq!(difference(1, 9, &bytes), None);
        bytes[2 * PERIOD + 50] ^= 1;
        assert_eq!(difference(1, 9, &bytes), Some(2 * PERIOD + 50));
    }

    #[test]
    fn patterns_of_other_seeds_and_places_differ() {
        let mut bytes = [0; 32];
        write(3, 8, &mut bytes);
        assert!(difference(4, 8, &bytes).is_some());
        assert!(difference(3, 16, &bytes).is_some());
    }
}

mod cursor {
    use talloc_fuzz::ops::cursor::{Cursor, nearest_layout};

    #[test]
    fn numbers_are_as_described() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let bytes = [first, second, 0xff];
                let cursor = || Cursor::new(&bytes);
                assert!(cursor().size() < 1 << 20);
                assert!(cursor().step() < 1 << 19);
                assert!(cursor().arena_size(1 << 16) < 1 << 17);
                assert!(cursor().align() <= 1 << 20);
                let size = cursor().huge_size();
                assert!((1 << 21..=isize::MAX as usize).contains(&size), "{size:#x}");
                let layout = nearest_layout(size, cursor().huge_align());
                assert!(layout.size() >= 1 << 21 || layout.align() > 1 << 20);
            }
        }
    }

    #[test]
    fn alignments_of_every_size_occur() {
        let mut seen = 0;
        for byte in 0..=u8::MAX {
            seen |= Cursor::new(&[byte]).align();
        }
        assert_eq!(seen, (1 << 21) - 1);
    }
}

mod minimise {
    use talloc_fuzz::minimise::minimise;
    use talloc_fuzz::supply::Kind;
    use talloc_fuzz::{Failure, Mix, Op, Profile, Script, Setup};

    #[test]
    fn only_necessary_operations_are_left() {
        let setup = Setup {
            profile: Profile::Compact,
            size: 1024,
            skew: 0,
            source: Kind::Refuse,
            max_arenas: 1,
        };
        // The script fails if a flush follows a move.
        let run = |script: &Script| {
            let mut after = script.ops.iter().skip_while(|op| **op != Op::Move);
            if after.any(|op| *op == Op::Flush) {
                let (message, setup) = ("flushed".into(), String::new());
                Err(Box::new(Failure { message, setup, calls: String::new() }))
            } else {
                Ok(0)
            }
        };
        let script = Script::random(setup, Mix::Heap, 1, 500);
        let failure = run(&script).expect_err("the script has enough moves and flushes");
        let (shortest, failure) = minimise(script, *failure, run);
        assert_eq!(shortest.ops, [Op::Move, Op::Flush]);
        assert_eq!(failure.message, "flushed");
    }
}
