//! Telephones: baresip, which says what stands in one WAV file and keeps what it hears in another.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    Error, Result,
    error::Doing,
    lab::{Namespace, Process, wait_for},
    speech::{SAMPLE_RATE, read_wav, write_wav_at},
};

/// Where baresip's modules are, wherever a system keeps them.
const MODULES: [&str; 3] =
    ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules", "/usr/local/lib/baresip/modules"];

/// Where a telephone takes orders.
const ORDERS: u16 = 4444;

/// Long enough for anything that a telephone does at once.
const SOON: Duration = Duration::from_secs(10);

/// What a telephone is told before it starts.
#[derive(Clone, Debug)]
pub struct Line {
    /// What messages call it.
    pub name: String,
    /// Its own number, which it answers to at once.
    pub number: String,
    /// Where it takes SIP: its own address, which nothing else listens at.
    pub at: SocketAddr,
    /// The only codec that it has.
    pub codec: Codec,
    /// `udp`, `tcp` or `tls`, for which baresip listens at the next port.
    pub transport: String,
    /// Where it runs, if not in the namespace of this thread.
    pub namespace: Option<Namespace>,
    /// A folder to be made, where its files go.
    pub folder: PathBuf,
    /// More lines of its configuration.
    pub more: String,
}

/// The codecs of Debian's baresip that a telephone may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722,
    /// Linear samples at 16 kHz.
    L16,
    /// Opus.
    Opus,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 5] = [Self::Pcmu, Self::Pcma, Self::G722, Self::L16, Self::Opus];

    /// Its samples a second. What is said comes at this rate, for baresip's own way from 8 kHz to 16 loses much of it.
    const fn rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => SAMPLE_RATE,
            Self::G722 | Self::L16 => 16_000,
            Self::Opus => 48_000,
        }
    }

    /// As an account has it.
    const fn key(self) -> &'static str {
        match self {
            Self::Pcmu => "pcmu/8000/1",
            Self::Pcma => "pcma/8000/1",
            Self::G722 => "G722/16000/1",
            Self::L16 => "L16/16000/1",
            Self::Opus => "opus/48000/2",
        }
    }
}

/// A telephone that runs; dropped, it ends.
#[derive(Debug)]
pub struct Phone {
    process: Process,
    folder: PathBuf,
    orders: SocketAddr,
    namespace: Option<Namespace>,
}

impl Line {
    /// Starts a telephone that says `speech` once it is connected.
    pub fn start(&self, speech: &[i16]) -> Result<Phone> {
        let Self { folder, at, namespace, .. } = self;
        let writing = || format!("writing to {}", folder.display());
        fs::create_dir(folder).doing(writing)?;
        let rate = self.codec.rate();
        write_wav_at(&folder.join("says.wav"), rate, &at_rate(speech, rate))?;
        let orders = SocketAddr::new(at.ip(), ORDERS);
        fs::write(folder.join("config"), self.config(orders)?).doing(writing)?;
        let account = format!(
            "<sip:{}@{at};transport={}>;regint=0;answermode=auto;audio_codecs={}\n",
            self.number,
            self.transport,
            self.codec.key()
        );
        fs::write(folder.join("accounts"), account).doing(writing)?;
        let mut command = namespace.as_ref().map_or_else(|| Command::new("baresip"), |it| it.command("baresip"));
        let version = if at.is_ipv4() { "-4" } else { "-6" };
        command.arg("-f").arg(folder).arg(version).env("HOME", folder);
        let mut process = Process::spawn(&format!("baresip {}", self.name), command)?;
        process.wait_for_line("baresip is ready", SOON)?;
        Ok(Phone { process, folder: folder.clone(), orders, namespace: namespace.clone() })
    }

    fn config(&self, orders: SocketAddr) -> Result<String> {
        let missing = || Error::MissingTool { program: "baresip".into(), package: "baresip-core".into() };
        let modules = MODULES.iter().find(|path| Path::new(path).is_dir()).ok_or_else(missing)?;
        let port = if self.transport == "tls" { self.at.port() - 1 } else { self.at.port() };
        Ok(format!(
            "poll_method epoll\nsip_listen {}\n{more}rtp_ports 10000-19999\n\
             audio_source aufile,{says}\naudio_player nothing\naudio_alert nothing\nausrc_srate {rate}\nauplay_srate 8000\n\
             ausrc_channels 1\nauplay_channels 1\njitter_buffer_delay 5-10\nmodule_path {modules}\nmodule g711.so\n\
             module g722.so\nmodule l16.so\nmodule opus.so\nmodule aufile.so\nmodule sndfile.so\nmodule ctrl_tcp.so\nmodule_app account.so\nmodule_app menu.so\n\
             ctrl_tcp_listen {orders}\nsnd_path {folder}\n",
            SocketAddr::new(self.at.ip(), port),
            more = self.more,
            rate = self.codec.rate(),
            says = self.folder.join("says.wav").display(),
            folder = self.folder.display(),
        ))
    }
}

/// Sound at [`SAMPLE_RATE`] at another rate, a multiple of that: a line from each sample to the next.
fn at_rate(samples: &[i16], rate: u32) -> Vec<i16> {
    let steps = (rate / SAMPLE_RATE) as i32;
    let next = samples.iter().skip(1).chain(samples.last());
    let between = |(one, other): (&i16, &i16)| {
        let (one, other) = (i32::from(*one), i32::from(*other));
        (0..steps).map(move |step| (one + (other - one) * step / steps) as i16)
    };
    samples.iter().zip(next).flat_map(between).collect()
}

impl Phone {
    /// It does not tell what it wrote when it ends.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.process = self.process.quiet();
        self
    }

    /// Calls somebody, by a SIP URI.
    pub fn call(&self, uri: &str) -> Result<()> {
        self.order("dial", uri)
    }

    /// Waits until it is connected.
    pub fn established(&mut self) -> Result<()> {
        self.process.wait_for_line("Call established", SOON).map(drop)
    }

    /// Waits until its call is refused with this status.
    pub fn refused(&mut self, status: &str) -> Result<()> {
        self.process.wait_for_line(&format!("session closed: {status}"), SOON).map(drop)
    }

    /// Holds who it speaks with, or resumes.
    pub fn hold(&self, holds: bool) -> Result<()> {
        self.order(if holds { "hold" } else { "resume" }, "")
    }

    /// Presses keys, one after another.
    pub fn press(&self, keys: &str) -> Result<()> {
        keys.chars().try_for_each(|key| self.order("sndcode", &key.to_string()))
    }

    /// What it has heard so far in its latest call, at [`SAMPLE_RATE`]: a file that is still being written. Of a codec with
    /// more samples only some are taken, so that nothing above 4 kHz is to be in it.
    pub fn heard_so_far(&self) -> Result<Vec<i16>> {
        const WAV_HEADER: usize = 44;
        let written = |file: &PathBuf| fs::metadata(file).and_then(|it| it.modified()).ok();
        let file = wait_for("what the telephone hears", SOON, || self.recordings().max_by_key(written))?;
        let bytes = fs::read(&file).doing(|| format!("reading {}", file.display()))?;
        let (header, sound) = bytes.split_at_checked(WAV_HEADER).unwrap_or_default();
        let field = |at: usize| header.get(at..at + 2).map_or(0, |field| u16::from_le_bytes([field[0], field[1]]));
        // Channels, and the lower half of the sample rate.
        let step = usize::from(field(22)) * (usize::from(field(24)) / SAMPLE_RATE as usize);
        let samples = sound.as_chunks::<2>().0.iter().step_by(step.max(1));
        Ok(samples.map(|sample| i16::from_le_bytes(*sample)).collect())
    }

    /// Waits until its call is over, and forgets what it has heard in it.
    pub fn forget(&mut self) -> Result<()> {
        self.process.wait_for_line("terminated (duration", SOON)?;
        for file in self.recordings() {
            fs::remove_file(&file).doing(|| format!("removing {}", file.display()))?;
        }
        Ok(())
    }

    /// Ends its call.
    pub fn hang_up(&self) -> Result<()> {
        self.order("hangup", "")
    }

    /// Kills it as a crash would: it tells nobody.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill9().map(drop)
    }

    /// Waits until somebody else ends its call.
    pub fn ended(&mut self) -> Result<()> {
        self.process.wait_for_line("session closed: ", SOON).map(drop)
    }

    /// Waits until its call is over, and gives what it has heard in it.
    pub fn heard(&mut self) -> Result<Vec<i16>> {
        // It says nothing of a call that has not lasted a second.
        self.process.wait_for_line("terminated (duration", SOON)?;
        let file = wait_for("what the telephone heard", SOON, || self.recordings().next())?;
        read_wav(&file)
    }

    /// Waits until it has recorded this much of what it hears.
    pub fn wait_for_recording(&self, length: Duration) -> Result<()> {
        let bytes = (length.as_secs_f64() * 2.0 * f64::from(SAMPLE_RATE)) as u64;
        wait_for("the telephone to have heard enough", length + 3 * SOON, || {
            let mut sizes = self.recordings().filter_map(|file| fs::metadata(file).ok());
            sizes.any(|it| it.len() >= bytes).then_some(())
        })
    }

    /// The files with what it hears, one a call.
    fn recordings(&self) -> impl Iterator<Item = PathBuf> {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        files.filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
    }

    /// Gives an order as a netstring of JSON.
    fn order(&self, command: &str, params: &str) -> Result<()> {
        let text = serde_json::json!({ "command": command, "params": params }).to_string();
        let send = || -> io::Result<()> {
            let mut stream = TcpStream::connect(self.orders)?;
            stream.set_read_timeout(Some(SOON))?;
            write!(stream, "{}:{text},", text.len())?;
            // It answers when it has done so.
            stream.read(&mut [0; 1024]).map(drop)
        };
        let sent = match &self.namespace {
            Some(namespace) => namespace.run(send)?,
            None => send(),
        };
        sent.doing(|| format!("telling the telephone at {} to {command}", self.orders))
    }
}
