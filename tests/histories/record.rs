//! `make histories`: records the runs of this version into `tests/histories/VERSION/`, and replays what it wrote.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod history;
mod recorder;
mod replay;
mod stories;

use std::fs;

use history::History;

fn main() {
    let version = env!("CARGO_PKG_VERSION");
    let directory = history::directory().join(version);
    fs::create_dir_all(&directory).expect("the directory can be made");
    let mut bytes = 0;
    for story in &stories::STORIES {
        let text = recorder::record(story).text();
        let read = History::read(&text).expect("what was written reads");
        let differences = replay::replay(story.name, &read).unwrap_or_else(|why| panic!("{why}"));
        if let Some(difference) = differences.first() {
            panic!("what was written does not replay:\n{difference}");
        }
        println!("{:28} {:3} lines {:4} decisions", story.name, read.lines.len(), read.decisions.len());
        bytes += text.len();
        fs::write(directory.join(format!("{}.json", story.name)), text).expect("the file can be written");
    }
    println!("{bytes} bytes in tests/histories/{version}; commit them");
}
