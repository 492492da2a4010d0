//! Plants faults of each class on each level of heap, and prints the outcomes in Markdown.
//!
//! ```text
//! cargo run -p talloc-fuzz --bin faults -- --each 100 --level checked --class overflow --show 10
//! ```

fn main() -> std::process::ExitCode {
    #[cfg(unix)]
    return planted::main();
    #[cfg(not(unix))]
    {
        eprintln!("planting faults requires `fork`, which this system does not have");
        std::process::ExitCode::FAILURE
    }
}

#[cfg(unix)]
mod planted {
    use std::process::ExitCode;

    use talloc_fuzz::faults::{Class, LEVELS, Level, Tally, details, heading, many, row};

    const USAGE: &str = "usage: faults [--each N] [--seed N] [--show N] [--raw] [--level NAME]... [--class NAME]...";

    /// What to plant, and where.
    struct Plan {
        each: usize,
        seed: u64,
        /// The number of examples to print for each class and level.
        show: usize,
        /// Whether to print raw counts instead of tables.
        is_raw: bool,
        levels: Vec<Level>,
        classes: Vec<Class>,
    }

    pub fn main() -> ExitCode {
        let Some(plan) = plan() else {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        };
        let mut results = Vec::new();
        if !plan.is_raw {
            print!("{}", heading());
        }
        for class in plan.classes {
            for level in &plan.levels {
                let tally = many(level, class, plan.seed, plan.each);
                for (seed, outcome) in tally.examples.iter().take(plan.show) {
                    eprintln!("{} {} {seed}: {outcome}", class.name(), level.name);
                }
                if plan.is_raw {
                    print(class, *level, &tally);
                } else {
                    print!("{}", row(class, *level, &tally));
                }
                results.push((class, *level, tally));
            }
        }
        if !plan.is_raw {
            print!("{}", details(&results));
        }
        ExitCode::SUCCESS
    }

    /// Prints the counts for a class on a level in raw form.
    fn print(class: Class, level: Level, tally: &Tally) {
        let (name, level, row) = (class.name(), level.name, &tally.all);
        let (planted, caught, late) = (row.planted, row.caught(), row.late);
        let (harmless, lost, latent) = (row.harmless, row.lost, row.latent);
        let (missed, crashed) = (row.missed, row.crashed);
        println!(
            "{name} {level} {planted} {caught} {late} {harmless} {lost} {latent} {missed} {crashed}"
        );
    }

    fn plan() -> Option<Plan> {
        let mut plan = Plan {
            each: 10_000,
            seed: 1,
            show: 0,
            is_raw: false,
            levels: Vec::new(),
            classes: Vec::new(),
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--each" => plan.each = args.next()?.parse().ok()?,
                "--seed" => plan.seed = args.next()?.parse().ok()?,
                "--show" => plan.show = args.next()?.parse().ok()?,
                "--raw" => plan.is_raw = true,
                "--level" => plan.levels.push(Level::named(&args.next()?)?),
                "--class" => plan.classes.push(Class::named(&args.next()?)?),
                _ => return None,
            }
        }
        if plan.levels.is_empty() {
            plan.levels.extend(LEVELS.iter().filter(|level| level.is_usual));
        }
        if plan.classes.is_empty() {
            plan.classes.extend(Class::all());
        }
        Some(plan)
    }
}
