//! baresip on the hosts of an exchange: telephones that speak.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use undertone_tests::{
    Error, Result,
    lab::{Family, Namespace, Process, wait_for},
    speech::{read_wav, write_wav},
};

use super::{
    exchange::{Exchange, Over},
    ground::Who,
};
use crate::daemon::operator::{SOON, other};

/// Where baresip's modules are, wherever a system keeps them.
const MODULES: [&str; 3] =
    ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules", "/usr/local/lib/baresip/modules"];
/// Where a telephone takes orders.
const ORDERS: u16 = 4444;

/// A telephone, and what it hears.
pub(super) struct Phone {
    process: Process,
    folder: PathBuf,
    orders: SocketAddr,
    namespace: Option<Namespace>,
}

impl Exchange {
    /// Starts a telephone that says `speech` once it is connected, and answers who calls it.
    pub(super) fn phone(&self, who: Who, speech: &[i16], more: &str) -> Result<Phone> {
        let folder = self.operator.file(&format!("phone-{}", who.name()));
        fs::create_dir(&folder).map_err(other)?;
        write_wav(&folder.join("says.wav"), speech)?;
        let at = self.address_of(who);
        let orders = SocketAddr::new(at.ip(), ORDERS);
        fs::write(folder.join("config"), self.phone_config(who, &folder, orders, more)?).map_err(other)?;
        let transport = self.line(who).over.key();
        let account =
            format!("<sip:100@{at};transport={transport}>;regint=0;answermode=auto;audio_codecs=pcmu/8000/1\n");
        fs::write(folder.join("accounts"), account).map_err(other)?;
        let mut command = self.ground.command(who, "baresip");
        let version = if self.line(who).family == Family::V4 { "-4" } else { "-6" };
        command.arg("-f").arg(&folder).arg(version).env("HOME", &folder);
        let mut process = Process::spawn(&format!("baresip {}", who.name()), command)?;
        process.wait_for_line("baresip is ready", SOON)?;
        Ok(Phone { process, folder, orders, namespace: self.ground.namespace(who).cloned() })
    }

    fn phone_config(&self, who: Who, folder: &Path, orders: SocketAddr, more: &str) -> Result<String> {
        let at = self.address_of(who);
        let modules = MODULES.iter().find(|path| Path::new(path).is_dir());
        let modules = modules.ok_or_else(|| other("baresip is not installed: it comes with the package baresip"))?;
        // With TLS, baresip listens at the next port.
        let port = if self.line(who).over == Over::Tls { at.port() - 1 } else { at.port() };
        Ok(format!(
            "poll_method epoll\nsip_listen {}\n{more}rtp_ports 10000-19999\n\
             audio_source aufile,{says}\naudio_player nothing\naudio_alert nothing\nausrc_srate 8000\nauplay_srate 8000\n\
             ausrc_channels 1\nauplay_channels 1\njitter_buffer_delay 5-10\nmodule_path {modules}\nmodule g711.so\n\
             module aufile.so\nmodule sndfile.so\nmodule ctrl_tcp.so\nmodule_app account.so\nmodule_app menu.so\n\
             ctrl_tcp_listen {orders}\nsnd_path {folder}\n",
            SocketAddr::new(at.ip(), port),
            says = folder.join("says.wav").display(),
            folder = folder.display(),
        ))
    }
}

impl Phone {
    /// Calls 100 at the appliance, and is answered.
    pub(super) fn dial(&mut self, exchange: &Exchange, who: Who) -> Result<()> {
        self.call(exchange, who)?;
        self.established()
    }

    /// Calls 100 at the appliance.
    pub(super) fn call(&mut self, exchange: &Exchange, who: Who) -> Result<()> {
        self.order("dial", &format!("sip:100@{}", exchange.address_for(who)))
    }

    /// Waits until its call is refused with this status.
    pub(super) fn refused(&mut self, status: &str) -> Result<()> {
        self.process.wait_for_line(&format!("session closed: {status}"), SOON).map(drop)
    }

    pub(super) fn established(&mut self) -> Result<()> {
        self.process.wait_for_line("Call established", SOON).map(drop)
    }

    pub(super) fn hang_up(&self) -> Result<()> {
        self.order("hangup", "")
    }

    /// Waits until it has heard so much, the call over, and gives it.
    pub(super) fn heard(&mut self) -> Result<Vec<i16>> {
        self.process.wait_for_line("terminated (duration", SOON)?;
        let file = wait_for("what the telephone heard", SOON, || {
            let files = fs::read_dir(&self.folder).ok()?.flatten().map(|entry| entry.path());
            files.into_iter().find(|path| path.to_string_lossy().ends_with("-dec.wav"))
        })?;
        read_wav(&file)
    }

    /// Waits until it has recorded this much of what it hears.
    pub(super) fn wait_for_recording(&self, length: Duration) -> Result<()> {
        let bytes = (length.as_secs_f64() * 16_000.0) as u64;
        wait_for("the telephone to have heard enough", length + 3 * SOON, || {
            let files = fs::read_dir(&self.folder).ok()?.flatten();
            let dumps = files.filter(|entry| entry.file_name().to_string_lossy().ends_with("-dec.wav"));
            dumps.filter_map(|entry| entry.metadata().ok()).any(|it| it.len() >= bytes).then_some(())
        })
    }

    /// Gives an order as a netstring of JSON.
    fn order(&self, command: &str, params: &str) -> Result<()> {
        let text = serde_json::json!({ "command": command, "params": params }).to_string();
        let send = || -> std::io::Result<()> {
            let mut stream = TcpStream::connect(self.orders)?;
            stream.set_read_timeout(Some(SOON))?;
            write!(stream, "{}:{text},", text.len())?;
            // It answers when it has done so.
            stream.read(&mut [0; 1024]).map(drop)
        };
        match &self.namespace {
            Some(namespace) => namespace.run(send)?.map_err(other),
            None => send().map_err(other),
        }
    }
}

/// Runs a tool, and says what it wrote when it fails.
pub(super) fn tool(command: &mut Command) -> Result<()> {
    let output = command.output().map_err(|error| Error::Other(format!("{command:?}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(other(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))))
}
