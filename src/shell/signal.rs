//! Signals as readable pipes: SIGTERM and SIGINT stop the server, SIGUSR1 drains it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::low_level::pipe;

/// Each pipe receives one byte for each signal.
pub struct SignalPipes {
    pub stop: OwnedFd,
    pub drain: OwnedFd,
}

impl SignalPipes {
    /// Installs the handlers. A signal that arrives before the reactor runs is handled in its first turn.
    pub fn listen() -> io::Result<SignalPipes> {
        // Our parent may have set SIGCHLD to be ignored, and then no child of ours could be waited for. Any handler
        // undoes that.
        signal_hook::flag::register(SIGCHLD, Arc::new(AtomicBool::new(false)))?;
        #[cfg(debug_assertions)]
        hang_on_demand()?;
        Ok(SignalPipes {
            stop: pipe_for(&[SIGTERM, SIGINT])?,
            drain: pipe_for(&[SIGUSR1])?,
        })
    }
}

/// For tests of the watchdog: SIGUSR2 hangs the reactor for ever.
#[cfg(debug_assertions)]
#[expect(unsafe_code, reason = "a signal handler of our own is unsafe")]
fn hang_on_demand() -> io::Result<()> {
    let hang = || {
        loop {
            rustix::event::pause();
        }
    };
    // SAFETY: the handler makes one system call and nothing else.
    unsafe { signal_hook::low_level::register(signal_hook::consts::SIGUSR2, hang) }?;
    Ok(())
}

/// Uses handlers, since children inherit blocked signals.
fn pipe_for(signals: &[i32]) -> io::Result<OwnedFd> {
    let (ours, theirs) = UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    for signal in signals {
        pipe::register(*signal, theirs.try_clone()?)?;
    }
    Ok(ours.into())
}
