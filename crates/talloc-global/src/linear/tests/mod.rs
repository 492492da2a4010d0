//! The heap in a model of a memory that grows.

mod broken;
mod growth;
mod model;
mod script;

use super::Linear;
use model::{Model, PAGES};

/// As in a module, by default.
type Usual<'a> = Linear<&'a Model, 64, 2, 17>;
/// As in a small module.
type Small<'a> = Linear<&'a Model, 32, 0, 0>;

/// Calls a generic function for both heaps.
macro_rules! for_both {
    ($test:ident) => {
        mod $test {
            #[test]
            fn usual() {
                super::$test::<64, 2, 17>();
            }

            #[test]
            fn small() {
                super::$test::<32, 0, 0>();
            }
        }
    };
}
use for_both;
