//! A proxy of this machine before a server, over TLS, with a certificate of its own: Caddy, nginx and HAProxy with the
//! lines of docs/proxies.md, and Apache with its defaults.

use std::fs::File;
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
    /// Over TLS, with HTTP/2 but for Apache.
    pub tls: SocketAddr,
    /// Without TLS; Apache has none, and `tls` here.
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
pub fn certificate() -> &'static (PathBuf, PathBuf) {
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

/// The blocks of docs/proxies.md in that language.
fn documented(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/proxies.md");
    let text = std::fs::read_to_string(path).expect("the page");
    let begin = format!("```{language}\n");
    let blocks = text.split(&begin).skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().expect("its end").to_string());
    blocks.collect()
}

/// The recipe with other names: each of them is there, once.
fn renamed(mut recipe: String, names: &[(&str, String)]) -> String {
    for (old, new) in names {
        assert_eq!(recipe.matches(old).count(), 1, "{old}: {recipe}");
        recipe = recipe.replace(old, new);
    }
    recipe
}

pub fn caddy(name: &str, nth: u16, server: &Server) -> Proxy {
    let (tls, plain) = (free_address(nth), free_address(nth + 1));
    let (key, certificate) = certificate();
    let recipe = documented("caddy").remove(0);
    let upstream = server.url.trim_start_matches("http://").to_string();
    let site = |address: String| {
        let names = [
            ("zigcheck.example {", address),
            ("127.0.0.1:3000", upstream.clone()),
        ];
        renamed(recipe.clone(), &names)
    };
    let (key, certificate) = (key.display(), certificate.display());
    let config = format!(
        "{{\nadmin off\nauto_https disable_redirects\n}}\n{}\n{}\n",
        site(format!("https://{tls} {{\n    tls {certificate} {key}")),
        // Whatever host the client names.
        site(format!("http://:{} {{\n    bind 127.0.0.1", plain.port())),
    );
    let dir = home(name, "Caddyfile", &config);
    let mut command = Command::new("caddy");
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(dir.join("Caddyfile"));
    command
        .env("XDG_DATA_HOME", &dir)
        .env("XDG_CONFIG_HOME", &dir);
    let log = File::create(dir.join("error.log"));
    command.stderr(log.expect("a log"));
    start(command, tls, plain)
}

pub fn nginx(name: &str, nth: u16, server: &Server) -> Proxy {
    let (tls, plain) = (free_address(nth), free_address(nth + 1));
    let (key, certificate) = certificate();
    let [recipe, main] = <[String; 2]>::try_from(documented("nginx")).expect("two blocks");
    let letsencrypt = "/etc/letsencrypt/live/zigcheck.example";
    let names = [
        (
            "listen 443 ssl http2;",
            format!("listen {tls} ssl http2; listen {plain};"),
        ),
        (
            &*format!("{letsencrypt}/fullchain.pem"),
            certificate.display().to_string(),
        ),
        (
            &*format!("{letsencrypt}/privkey.pem"),
            key.display().to_string(),
        ),
        ("http://127.0.0.1:3000", server.url.clone()),
    ];
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log error.log;\n{main}\n\
         http {{\n\
         access_log off; client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d;\n\
         scgi_temp_path e;\n{}\n}}\n",
        renamed(recipe, &names)
    );
    let dir = home(name, "nginx.conf", &config);
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&dir).args(["-c", "nginx.conf"]);
    start(command, tls, plain)
}

pub fn haproxy(name: &str, nth: u16, server: &Server) -> Proxy {
    let (tls, plain) = (free_address(nth), free_address(nth + 1));
    let (key, certificate) = certificate();
    let pem = [certificate, key].map(|path| std::fs::read(path).expect("a file"));
    let both = scratch(&format!("{name}.pem"));
    std::fs::write(&both, pem.concat()).expect("a file");
    let recipe = documented("haproxy").remove(0);
    let upstream = server.url.trim_start_matches("http://").to_string();
    let names = [
        (
            "frontend zigcheck\n",
            format!("frontend zigcheck\n    bind {plain}\n"),
        ),
        ("bind :443", format!("bind {tls}")),
        (
            "/etc/haproxy/zigcheck.example.pem",
            both.display().to_string(),
        ),
        ("127.0.0.1:3000", upstream),
    ];
    let dir = home(name, "haproxy.cfg", &renamed(recipe, &names));
    let mut command = Command::new("haproxy");
    command
        .args(["-db", "-q", "-f"])
        .arg(dir.join("haproxy.cfg"));
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
