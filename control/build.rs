//! Embeds the supervisors' page, when it has been built.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let page = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../target/portal");
    println!("cargo::rerun-if-changed={}", page.display());
    let mut names = Vec::new();
    // Without it the crate still builds, and says at run time that it has no page.
    if page.is_dir() {
        find(&page, &page, &mut names)?;
    }
    names.sort();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let files = names.iter().map(|name| embed(&page, name, &out)).collect::<Outcome<String>>()?;
    fs::write(out.join("portal.rs"), format!("const FILES: &[File] = &[\n{files}];\n"))?;
    Ok(())
}

fn find(root: &Path, folder: &Path, names: &mut Vec<String>) -> Outcome<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(root, &path, names)?;
        } else {
            let name = path.strip_prefix(root)?.to_str().ok_or("a file of the page has no plain name")?;
            names.push(name.to_owned());
        }
    }
    Ok(())
}

/// The entry of a file.
fn embed(page: &Path, name: &str, out: &Path) -> Outcome<String> {
    let path = page.join(name).canonicalize()?;
    let mut hasher = DefaultHasher::new();
    fs::read(&path)?.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let zipped = out.join(format!("{}.gz", name.replace('/', "-")));
    let gzip = Command::new("gzip").args(["--best", "--no-name", "--stdout"]).arg(&path).output()?;
    if !gzip.status.success() {
        return Err(String::from_utf8_lossy(&gzip.stderr).into());
    }
    fs::write(&zipped, gzip.stdout)?;
    let [zipped, plain] = [&zipped, &path].map(|path| path.to_str().ok_or("a file of the page has no plain name"));
    let (zipped, plain) = (zipped?, plain?);
    Ok(format!(
        "    File {{ name: {name:?}, gzip: include_bytes!({zipped:?}), plain: include_bytes!({plain:?}), tag: {tag:?} }},\n"
    ))
}
