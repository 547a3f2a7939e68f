//! A proxy of this machine before a server: nginx or Apache, over TLS, with a certificate of its own.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::server::{PATIENCE, Server, ends_with_its_parent, scratch};
use crate::common::standin::free_address;

pub struct Proxy {
    child: Child,
    /// Over TLS; nginx offers HTTP/2.
    pub tls: SocketAddr,
    /// Without TLS; nginx alone.
    pub plain: SocketAddr,
}

impl Proxy {
    pub fn https(&self, target: &str) -> String {
        format!("https://{}{target}", self.tls)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// The key and the certificate of 127.0.0.1.
fn certificate() -> &'static (PathBuf, PathBuf) {
    static FILES: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    FILES.get_or_init(|| {
        let (key, certificate) = (scratch("proxy-key.pem"), scratch("proxy-certificate.pem"));
        let done = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args([
                "-subj",
                "/CN=127.0.0.1",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ])
            .args([Path::new("-keyout"), &key, Path::new("-out"), &certificate])
            .output();
        let done = done.expect("openssl is installed");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        (key, certificate)
    })
}

/// The lines that docs/operations.md gives for nginx: those of `http`, and those of `location`.
fn documented() -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let text = std::fs::read_to_string(path).expect("the page");
    let (_, behind) = text.split_once("nginx needs").expect("what nginx needs");
    let lines = behind.lines().skip_while(|line| !line.starts_with("    "));
    let lines = lines.take_while(|line| line.starts_with("    "));
    let (http, location): (Vec<&str>, Vec<&str>) =
        lines.partition(|line| line.trim().starts_with("map "));
    assert!(!http.is_empty() && location.len() > 2, "{location:?}");
    (http.join("\n"), location.join("\n"))
}

pub fn nginx(name: &str, nth: u16, server: &Server) -> Proxy {
    let (http, location) = documented();
    let (tls, plain) = (free_address(nth), free_address(nth + 1));
    let (key, certificate) = certificate();
    let (key, certificate) = (key.display(), certificate.display());
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log error.log;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n\
         access_log off; client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d;\n\
         scgi_temp_path e;\n{http}\n\
         server {{\n\
         listen {tls} ssl http2; listen {plain}; ssl_certificate {certificate}; ssl_certificate_key {key};\n\
         location / {{ proxy_pass {};\n{location}\n}}\n}}\n}}\n",
        server.url
    );
    let dir = home(name, "nginx.conf", &config);
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&dir).args(["-c", "nginx.conf"]);
    start(command, tls, plain)
}

/// Apache with nothing but `ProxyPass`.
pub fn apache(name: &str, nth: u16, server: &Server) -> Proxy {
    let tls = free_address(nth);
    let (key, certificate) = certificate();
    let (key, certificate) = (key.display(), certificate.display());
    let modules = ["mpm_event", "authz_core", "ssl", "proxy", "proxy_http"].map(|module| {
        format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n")
    });
    let dir = scratch(name);
    let config = format!(
        "{}ServerName 127.0.0.1\nServerRoot {2}\nDefaultRuntimeDir {2}\nPidFile {2}/pid\nMutex posixsem\n\
         ErrorLog {2}/error.log\nListen {tls}\nSSLEngine on\nSSLCertificateFile {certificate}\n\
         SSLCertificateKeyFile {key}\nProxyPass / {1}/\n",
        modules.concat(),
        server.url,
        dir.display(),
    );
    let dir = home(name, "apache.conf", &config);
    let mut command = Command::new("apache2");
    command
        .args(["-DFOREGROUND", "-f"])
        .arg(dir.join("apache.conf"));
    start(command, tls, tls)
}

fn home(name: &str, file: &str, config: &str) -> PathBuf {
    let dir = scratch(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join(file), config).expect("a file");
    dir
}

fn start(mut command: Command, tls: SocketAddr, plain: SocketAddr) -> Proxy {
    ends_with_its_parent(&mut command, Signal::TERM);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let child = command.spawn().expect("tests/setup installs it");
    let mut proxy = Proxy { child, tls, plain };
    let begun = Instant::now();
    while TcpStream::connect(tls).is_err() {
        let ended = proxy.child.try_wait().expect("it is ours");
        assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{ended:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    proxy
}
