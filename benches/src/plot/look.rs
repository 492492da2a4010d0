//! The look of a heap in all plots.

use plotters::prelude::*;

/// A place in a plot, in pixels.
pub type Place = (i32, i32);

/// A colour, a mark, and the width of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    pub color: RGBColor,
    pub mark: Mark,
    /// Pixels of a line.
    pub width: u32,
    /// Pixels of a mark, from its middle.
    pub size: i32,
}

/// The shape of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Circle,
    Ring,
    Square,
    Diamond,
    Triangle,
    Upside,
    Cross,
    Plus,
}

impl Mark {
    /// The mark around a place.
    pub fn shape(self, (x, y): Place, size: i32) -> Shape {
        let around = |corners: &[Place]| {
            corners.iter().map(|(dx, dy)| (x + dx * size / 2, y + dy * size / 2)).collect()
        };
        match self {
            Self::Circle => Shape::Round { filled: true },
            Self::Ring => Shape::Round { filled: false },
            Self::Square => Shape::Filled(around(&[(-2, -2), (2, -2), (2, 2), (-2, 2)])),
            Self::Diamond => Shape::Filled(around(&[(0, -3), (3, 0), (0, 3), (-3, 0)])),
            Self::Triangle => Shape::Filled(around(&[(0, -3), (3, 2), (-3, 2)])),
            Self::Upside => Shape::Filled(around(&[(0, 3), (3, -2), (-3, -2)])),
            Self::Cross => {
                Shape::Strokes([around(&[(-2, -2), (2, 2)]), around(&[(-2, 2), (2, -2)])])
            }
            Self::Plus => Shape::Strokes([around(&[(0, -3), (0, 3)]), around(&[(-3, 0), (3, 0)])]),
        }
    }
}

/// The drawing of a mark.
pub enum Shape {
    Round { filled: bool },
    Filled(Vec<Place>),
    Strokes([Vec<Place>; 2]),
}

/// The look of a heap. talloc is red and thick, and its variants have similar colours. No peer has such a colour.
///
/// Bare heaps and hosted allocators are never in the same plot, so a bare peer and a hosted peer may look the same. Heaps
/// that run only when they are named may be black.
pub fn look(heap: &str) -> Look {
    let (color, mark) = match heap {
        "talloc" | "SystemTalloc" => {
            return Look { color: RGBColor(214, 0, 32), mark: Mark::Circle, width: 4, size: 6 };
        }
        "talloc-plain" => ((240, 128, 128), Mark::Ring),
        "talloc-magazines" | "magazines" => ((150, 20, 90), Mark::Square),
        "talloc-checked" => ((214, 90, 0), Mark::Ring),
        "talloc-plain-checked" => ((240, 160, 110), Mark::Ring),
        "magazines-plain" => ((205, 120, 170), Mark::Square),
        "system" | "dlmalloc" => ((70, 70, 70), Mark::Square),
        "mimalloc" | "talc5" => ((31, 119, 180), Mark::Triangle),
        "rusty_alloc" | "talc4" => ((90, 190, 230), Mark::Upside),
        "jemalloc" | "rlsf" => ((34, 139, 34), Mark::Diamond),
        "snmalloc" | "galloc" => ((128, 60, 190), Mark::Cross),
        "buddy" => ((140, 86, 75), Mark::Plus),
        "linked_list" => ((160, 160, 0), Mark::Ring),
        _ => ((0, 0, 0), Mark::Plus),
    };
    Look { color: RGBColor(color.0, color.1, color.2), mark, width: 2, size: 4 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hosted::allocators::ALLOCATORS, registry::HEAPS};

    #[test]
    fn no_two_of_one_plot_look_alike_and_peers_have_marks_of_their_own() {
        let bare: Vec<_> = HEAPS.iter().filter(|heap| heap.usual).map(|heap| heap.name).collect();
        let hosted: Vec<_> = ALLOCATORS.iter().map(|allocator| allocator.name).collect();
        for names in [bare, hosted] {
            let looks: Vec<_> = names.iter().map(|name| look(name)).collect();
            for (number, a) in looks.iter().enumerate() {
                assert_ne!(a.color, look("another").color, "{}", names[number]);
                for b in &looks[number + 1..] {
                    assert_ne!(a.color, b.color, "{names:?}");
                }
            }
            assert_eq!(looks.iter().filter(|look| look.width > 2).count(), 1);
        }
    }
}
