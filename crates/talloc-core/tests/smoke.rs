use core::alloc::Layout;
use talloc_core::*;

fn rng(s: &mut u64) -> u64 {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    *s
}

fn run<C: Config>(seed: u64, size: usize, ops: usize) {
    let mut mem = vec![0u64; size / 8];
    let whole = Span::from_ptr_size(mem.as_mut_ptr().cast(), size);
    let mut heap = Talloc::<C>::configured();
    unsafe { heap.init(whole.truncate(size / 3 / 8 * 8, size / 3)) };
    let mut s = seed;
    let mut live: Vec<(core::ptr::NonNull<u8>, Layout, u8)> = vec![];
    for i in 0..ops {
        let r = rng(&mut s) % 100;
        if r < 45 {
            let max = 1 << (rng(&mut s) % 11);
            let l = Layout::from_size_align(rng(&mut s) as usize % max + 1, 1 << (rng(&mut s) % 7))
                .unwrap();
            if let Ok(p) = unsafe { heap.malloc(l) } {
                assert_eq!(p.addr().get() % l.align(), 0);
                unsafe { p.write_bytes(i as u8, l.size()) };
                live.push((p, l, i as u8));
            }
        } else if r < 90 && !live.is_empty() {
            let k = rng(&mut s) as usize % live.len();
            let (p, l, b) = live.swap_remove(k);
            for j in 0..l.size() {
                assert_eq!(unsafe { p.add(j).read() }, b);
            }
            unsafe { heap.free(p, l) };
        } else if r < 94 && !live.is_empty() {
            let k = rng(&mut s) as usize % live.len();
            let (p, l, b) = live[k];
            let n = l.size() + rng(&mut s) as usize % 100;
            if let Ok(q) = unsafe { heap.grow(p, l, n) } {
                unsafe { q.add(l.size()).write_bytes(b, n - l.size()) };
                live[k] = (q, Layout::from_size_align(n, l.align()).unwrap(), b);
            }
        } else if r < 96 && !live.is_empty() {
            let k = rng(&mut s) as usize % live.len();
            let (p, l, b) = live[k];
            let n = 1 + rng(&mut s) as usize % l.size();
            unsafe { heap.shrink(p, l, n) };
            live[k] = (p, Layout::from_size_align(n, l.align()).unwrap(), b);
        } else if r < 98 {
            let a = heap.get_arena();
            let n = a
                .try_extend(rng(&mut s) as usize % 300, rng(&mut s) as usize % 300)
                .unwrap()
                .fit_within(whole);
            unsafe { heap.extend(n) };
        } else {
            let a = heap.get_arena();
            let al = heap.get_allocated_span();
            let n = a.truncate(rng(&mut s) as usize % 300, rng(&mut s) as usize % 300).fit_over(al);
            if al.is_sized() {
                heap.truncate(n)
            };
        }
        let rep = heap.verify().unwrap_or_else(|e| panic!("{seed} {i} {e}"));
        let min = if size_of::<C::Index>() == 2 { 1 } else { 2 };
        let used: usize = live.iter().map(|x| x.1.size().div_ceil(8).max(min) * 8).sum();
        assert_eq!(rep.used_bytes, used, "{seed} {i}");
    }
    for (p, l, _) in live {
        unsafe { heap.free(p, l) };
    }
    heap.flush();
    let rep = heap.verify().unwrap();
    assert_eq!((rep.free_chunks, rep.used_bytes), (1, 0), "{rep:?}");
}

#[test]
fn smoke() {
    for seed in 1..60 {
        for size in [300, 1000, 5000, 50000] {
            run::<Compact>(seed, size / 8 * 8, 2000);
            run::<RealTime>(seed, size / 8 * 8, 2000);
            run::<Micro>(seed, size / 8 * 8, 2000);
        }
    }
}
