//! A real Dovecot with Maildir folders, for one test: its own configuration, processes and ports, all on loopback.

use crate::support::{PATIENCE, free_port, has_program};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

pub(crate) const USER: &str = "feedback";
pub(crate) const PASSWORD: &str = "only-for-the-tests-of-this-run";

/// The user and group whose mail it is when root runs the tests: Dovecot refuses to read mail as root.
const NOBODY: u32 = 65_534;

pub(crate) struct Dovecot {
    dir: TempDir,
    /// Plain, and with STARTTLS.
    pub(crate) port: u16,
    /// TLS from the beginning.
    pub(crate) tls_port: u16,
    child: Option<Child>,
    files: u64,
}

impl Dovecot {
    /// Starts one with an empty INBOX. `introspection` is where it asks whether a token of XOAUTH2 counts.
    pub(crate) fn start(introspection: Option<&str>) -> Self {
        let program =
            ["/usr/sbin/dovecot", "/usr/local/sbin/dovecot"].into_iter().any(|path| Path::new(path).exists());
        assert!(
            program || has_program("dovecot"),
            "the test of mailboxes needs an IMAP server: apt-get install dovecot-imapd"
        );
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut dovecot = Self { dir, port: free_port(), tls_port: free_port(), child: None, files: 0 };
        for folder in ["", "cur", "new", "tmp"] {
            dovecot.make_folder(&dovecot.inbox().join(folder));
        }
        dovecot.make_folder(&dovecot.file("home"));
        dovecot.write_certificate();
        fs::write(dovecot.file("dovecot.conf"), dovecot.configuration(introspection)).unwrap();
        dovecot.run();
        dovecot
    }

    /// Starts the server, and waits until it answers.
    pub(crate) fn run(&mut self) {
        let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("dovecot");
        command.env("PATH", path).arg("-F").arg("-c").arg(self.file("dovecot.conf"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("dovecot can be started"));
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "dovecot does not answer\n{}", self.log());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Ends the server in order, its children with it.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &child.id().to_string()]).status();
        let _ = child.wait();
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn inbox(&self) -> PathBuf {
        self.file("mail")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("dovecot.log")).unwrap_or_default()
    }

    /// Puts a mail into the INBOX, as a delivery agent does: whole, by renaming.
    pub(crate) fn deliver(&mut self, mail: &[u8]) {
        self.deliver_as(mail, "");
    }

    /// With something behind the file's name, such as a size that is not true.
    pub(crate) fn deliver_as(&mut self, mail: &[u8], suffix: &str) {
        self.files += 1;
        // mails are numbered in the order of their names
        let name = format!("1700000000.M{:08}.test{suffix}", self.files);
        let (written, delivered) =
            (self.inbox().join("tmp").join(&name), self.inbox().join("new").join(&name));
        fs::write(&written, mail).unwrap();
        self.give_away(&written);
        fs::rename(&written, &delivered).unwrap();
    }

    /// Gives the INBOX another UIDVALIDITY, while the server is down.
    pub(crate) fn change_uid_validity(&self) {
        assert!(self.child.is_none(), "stop it first");
        let list = self.inbox().join("dovecot-uidlist");
        let text = fs::read_to_string(&list).unwrap();
        // `3 V1700000000 N42 G…`
        let (head, rest) = text.split_once('\n').unwrap();
        let words: Vec<String> = head
            .split(' ')
            .map(|word| if word.starts_with('V') { "V1234567890".to_owned() } else { word.to_owned() })
            .collect();
        fs::write(&list, format!("{}\n{rest}", words.join(" "))).unwrap();
        for entry in fs::read_dir(self.inbox()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("dovecot.") {
                fs::remove_file(path).unwrap();
            }
        }
    }

    fn make_folder(&self, path: &Path) {
        fs::create_dir_all(path).unwrap();
        self.give_away(path);
    }

    fn give_away(&self, path: &Path) {
        if self.is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    fn is_root(&self) -> bool {
        fs::metadata(self.dir.path()).unwrap().uid() == 0
    }

    fn write_certificate(&self) {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(self.file("cert.pem"), signed.cert.pem()).unwrap();
        fs::write(self.file("key.pem"), signed.signing_key.serialize_pem()).unwrap();
    }

    fn configuration(&self, introspection: Option<&str>) -> String {
        let dir = self.dir.path().display();
        let owner = fs::metadata(self.dir.path()).unwrap();
        let (uid, gid) = if self.is_root() { (NOBODY, NOBODY) } else { (owner.uid(), owner.gid()) };
        // Without root there is but one user for everything.
        let users = if self.is_root() {
            String::new()
        } else {
            let name = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
            let name = name.trim();
            format!("default_internal_user = {name}\ndefault_login_user = {name}\ndefault_internal_group =\n")
        };
        let oauth2 = introspection.map_or(String::new(), |url| {
            let settings = format!(
                "introspection_mode = post\nintrospection_url = {url}\nusername_attribute = username\n\
                 active_attribute = active\nactive_value = true\n"
            );
            fs::write(self.file("oauth2.conf"), settings).unwrap();
            format!("passdb {{\n  driver = oauth2\n  mechanisms = xoauth2\n  args = {dir}/oauth2.conf\n}}\n")
        });
        let (port, tls_port) = (self.port, self.tls_port);
        format!(
            "base_dir = {dir}/run\nstate_dir = {dir}/state\nlog_path = {dir}/dovecot.log\n{users}protocols = imap\n\
             listen = 127.0.0.1\nssl = yes\nssl_cert = <{dir}/cert.pem\nssl_key = <{dir}/key.pem\n\
             disable_plaintext_auth = no\nauth_mechanisms = plain login xoauth2\nmail_location = maildir:{dir}/mail\n\
             mail_max_userip_connections = 50\nfirst_valid_uid = 1\n\
             service imap-login {{\n  chroot =\n  inet_listener imap {{\n    port = {port}\n  }}\n\
             inet_listener imaps {{\n    port = {tls_port}\n    ssl = yes\n  }}\n}}\n\
             service anvil {{\n  chroot =\n}}\nservice stats {{\n  chroot =\n}}\n{oauth2}\
             passdb {{\n  driver = static\n  mechanisms = plain login\n  args = password={PASSWORD}\n}}\n\
             userdb {{\n  driver = static\n  args = uid={uid} gid={gid} home={dir}/home allow_all_users=yes\n}}\n"
        )
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.stop();
    }
}
