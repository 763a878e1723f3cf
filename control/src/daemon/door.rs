//! The control socket: one daemon holds it, and a dead one's is replaced.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use tokio::net::UnixListener;

use crate::failure::Failure;

/// Who may connect: the daemon's user and group.
const MODE: u32 = 0o660;

/// How long a daemon that was killed may take to be gone.
const LINGER: Duration = Duration::from_secs(1);
/// How often to look whether it is.
const LINGER_STEP: Duration = Duration::from_millis(10);

/// The right to the control socket. The socket goes when this is dropped.
pub(super) struct Door {
    socket: PathBuf,
    /// Locked as long as the process lives, so that no crash leaves it locked.
    _lock: File,
}

impl Door {
    /// Takes the right to `socket`, which one process at a time has.
    pub(super) fn lock(socket: &Path) -> Result<Self, Failure> {
        let path = beside(socket, ".lock");
        let failed = |error: io::Error| {
            Failure::new(format!("cannot lock {}: {error}", path.display()))
                .with_way_out("run as a user who may write there, or set `control.socket` to another place")
        };
        if let Some(folder) = socket.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut lock =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let deadline = Instant::now() + LINGER;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LINGER_STEP),
                Err(TryLockError::WouldBlock) => return Err(taken(socket, &mut lock)),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { socket: socket.into(), _lock: lock })
    }

    /// Begins to listen. The socket appears in one piece, with its permissions, in place of a dead daemon's.
    pub(super) fn listen(&self) -> Result<UnixListener, Failure> {
        let new = beside(&self.socket, ".new");
        let open = || {
            remove(&new)?;
            let listener = UnixListener::bind(&new)?;
            fs::set_permissions(&new, Permissions::from_mode(MODE))?;
            fs::rename(&new, &self.socket)?;
            Ok(listener)
        };
        open().map_err(|error: io::Error| {
            Failure::new(format!("cannot listen on {}: {error}", self.socket.display()))
                .with_way_out("set `control.socket` to a place where a socket can be made")
        })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // A socket that stays is replaced by the next daemon.
        let _ = remove(&self.socket);
    }
}

/// The lock's holder, as it wrote itself down.
fn taken(socket: &Path, lock: &mut File) -> Failure {
    let mut holder = String::new();
    let _ = lock.read_to_string(&mut holder);
    let holder = match holder.trim() {
        "" => String::new(),
        pid => format!(" (process {pid})"),
    };
    Failure::new(format!("another daemon{holder} has the control socket {}", socket.display())).with_way_out(
        "`undertone reload` makes it read its configuration again; a second daemon needs another `control.socket`, \
         and media addresses, interfaces and pins of its own",
    )
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The file whose name is that of `socket` with `more` at its end.
fn beside(socket: &Path, more: &str) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(more);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_door_and_the_other_is_told_who() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("deeper/undertone.sock");
        let door = Door::lock(&socket).expect("free");
        let refusal = Door::lock(&socket).map(drop).expect_err("taken").text();
        assert!(refusal.contains(&format!("another daemon (process {})", std::process::id())), "{refusal}");
        drop(door);
        Door::lock(&socket).map(drop).expect("free again");
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_left_one_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("undertone.sock");
        drop(std::os::unix::net::UnixListener::bind(&socket).expect("a socket"));
        let door = Door::lock(&socket).expect("nobody holds it");
        let listener = door.listen().expect("listening");
        assert_eq!(fs::metadata(&socket).expect("there").permissions().mode() & 0o777, MODE);
        let (client, accepted) = tokio::join!(tokio::net::UnixStream::connect(&socket), listener.accept());
        assert!(client.is_ok() && accepted.is_ok());
        drop(door);
        assert!(!socket.exists());
    }
}
