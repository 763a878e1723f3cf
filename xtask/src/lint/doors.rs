//! Where `unsafe` may stand: each crate has a door for it, or has none and forbids it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::metadata::Package;

/// The crates that need `unsafe`, and the files in which its contracts are kept. All others forbid it.
const DOORS: &[(&str, &[&str])] = &[
    // Words that kernel and user space share.
    ("undertone-abi", &["src/cell.rs"]),
    // An allocator that counts.
    ("undertone-bench", &["src/allocator.rs"]),
    // Memory and rings shared with the kernel, and calls that the crates around have no safe form of.
    ("undertone-dataplane", &["src/door.rs", "src/door/buffers.rs", "src/door/ring.rs"]),
    // The packet's memory and the kernel's helpers.
    ("undertone-ebpf", &["src/packet.rs"]),
];

/// Holds `packages` to [`DOORS`]. The error names every place that is not allowed.
pub(super) fn check(packages: &[Package]) -> Result<()> {
    let mut wrong = Vec::new();
    for package in packages {
        let doors = doors_of(package);
        wrong.extend(unsafe_outside(package.folder(), doors)?);
        wrong.extend(doors_that_are_not_there(package.folder(), doors));
        if doors.is_empty() {
            wrong.extend(roots_that_do_not_forbid(package)?);
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

fn doors_of(package: &Package) -> &'static [&'static str] {
    let entry = DOORS.iter().find(|(name, _)| *name == package.name);
    entry.map_or(&[], |(_, doors)| doors)
}

fn doors_that_are_not_there(crate_folder: &Path, doors: &[&str]) -> Vec<String> {
    let missing = doors.iter().map(|door| crate_folder.join(door)).filter(|door| !door.exists());
    missing.map(|door| format!("{} is not there: correct DOORS in {}", door.display(), file!())).collect()
}

fn unsafe_outside(crate_folder: &Path, doors: &[&str]) -> Result<Vec<String>> {
    let place = match doors {
        [] => format!("in a crate that has no door for it (DOORS in {})", file!()),
        _ => format!("outside its door, {}", doors.join(", ")),
    };
    let mut wrong = Vec::new();
    for file in source_files(crate_folder)? {
        if doors.iter().any(|door| file == crate_folder.join(door)) {
            continue;
        }
        for line in unsafe_lines(parse(&file)?) {
            wrong.push(format!("{}:{line}: `unsafe` {place}", file.display()));
        }
    }
    Ok(wrong)
}

/// The Rust files of a crate, without those of crates that lie inside its folder.
fn source_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && !path.join("Cargo.toml").exists() && !path.ends_with("target") {
            files.extend(source_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn roots_that_do_not_forbid(package: &Package) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for target in package.products() {
        if !forbids_unsafe(&parse(&target.src_path)?) {
            wrong.push(format!(
                "{}: this crate has no door for `unsafe`, so it begins with #![forbid(unsafe_code)]",
                target.src_path.display()
            ));
        }
    }
    Ok(wrong)
}

fn parse(file: &Path) -> Result<TokenStream> {
    let source = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    source.parse().map_err(|error| anyhow!("{} is not Rust: {error}", file.display()))
}

/// The lines that hold the keyword. `#[unsafe(no_mangle)]` and its like do not count: they name a symbol and run
/// nothing.
fn unsafe_lines(tokens: TokenStream) -> Vec<usize> {
    let mut lines = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "unsafe" && !tokens.peek().is_some_and(is_parenthesis) => {
                lines.push(word.span().start().line);
            }
            TokenTree::Group(group) => lines.extend(unsafe_lines(group.stream())),
            _ => {}
        }
    }
    lines
}

fn is_parenthesis(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
}

fn forbids_unsafe(root: &TokenStream) -> bool {
    root.to_string().split_whitespace().collect::<String>().contains("#![forbid(unsafe_code)]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> TokenStream {
        source.parse().expect("the test's source is Rust")
    }

    #[test]
    fn the_keyword_is_found_wherever_it_stands() {
        let source = "fn read() {\n    let x = unsafe { peek() };\n}\nunsafe impl Send for X {}\n";
        assert_eq!(unsafe_lines(tokens(source)), [2, 4]);
    }

    #[test]
    fn comments_strings_lints_and_symbol_names_are_no_unsafe_code() {
        let source = r#"
            // unsafe { in_a_comment() }
            /// unsafe { in_a_doc() }
            #[deny(unsafe_op_in_unsafe_fn)]
            #[unsafe(no_mangle)]
            static TEXT: &str = "unsafe { in_a_string() }";
        "#;
        assert_eq!(unsafe_lines(tokens(source)), Vec::<usize>::new());
    }

    #[test]
    fn only_a_crate_wide_forbid_counts() {
        assert!(forbids_unsafe(&tokens("//! Docs.\n#![forbid(unsafe_code)]\nmod a;")));
        assert!(!forbids_unsafe(&tokens("#![deny(unsafe_code)]")));
        assert!(!forbids_unsafe(&tokens("// #![forbid(unsafe_code)]\nmod a;")));
    }

    #[test]
    fn this_crate_keeps_the_rule() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(folder.join("src/lint/doors.rs").exists());
        assert_eq!(unsafe_outside(folder, &[]).expect("readable"), Vec::<String>::new());
    }

    #[test]
    fn a_crate_inside_a_crates_folder_is_judged_by_itself() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        let files = source_files(root).expect("readable");
        assert!(!files.iter().any(|file| file.ends_with("xtask/src/main.rs")));
    }
}
