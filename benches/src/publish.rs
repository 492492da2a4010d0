//! Output of tables.

use crate::{
    plot::{self, Style},
    report::{self, Table},
};
use anyhow::Result;

/// Shows tables, keeps them for the results page as `results/FILE.md`, and draws them if there is a style.
///
/// # Errors
///
/// If a file cannot be written, or a table that is to be drawn has no numbers.
pub fn publish(file: &str, tables: &[Table], style: Option<Style>) -> Result<()> {
    for (number, table) in (1..).zip(tables) {
        println!("{}", table.markdown());
        if let Some(style) = style {
            let name = if tables.len() == 1 { file.to_owned() } else { format!("{file}-{number}") };
            plot::draw(&name, table, style)?;
        }
    }
    report::save(file, tables)
}
