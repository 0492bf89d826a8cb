"""A private Postfix: its own configuration, queue and log, under one directory. `/etc/postfix/main.cf` is not read.

Way: `record` and `standard` say what differs, this module writes the files, starts and stops the daemon.
Source: postconf(5), master(5), master(8).
"""

import asyncio
import os
import pwd
import signal
import subprocess
from dataclasses import dataclass, field

# How long Postfix gets to end by itself before its process group is killed.
STOP_SECONDS_MAX = 10
# How long it gets to come up: it takes half a second on an idle machine.
START_TRIES_MAX = 100
START_POLL_SECONDS = 0.1

# Settings of every lab. `{dir}` is the lab's directory.
MAIN = {
    "compatibility_level": "3.6",
    "queue_directory": "{dir}/spool",
    "data_directory": "{dir}/data",
    "command_directory": "/usr/sbin",
    "daemon_directory": "/usr/lib/postfix/sbin",
    "meta_directory": "/etc/postfix",
    "shlib_directory": "/usr/lib/postfix",
    "mail_owner": "postfix",
    "setgid_group": "postdrop",
    "mail_spool_directory": "{dir}/mail",
    "alias_maps": "",
    "alias_database": "",
    "local_recipient_maps": "",
    "local_transport": "error:no local mail",
    "mydestination": "",
    "myorigin": "$myhostname",
    "notify_classes": "",
    # The relay's own notices about messages come back to a Maildir.
    "virtual_mailbox_base": "{dir}/mail",
    "virtual_mailbox_maps": "static:return-path/",
    "virtual_minimum_uid": "1",
    "virtual_uid_maps": "static:{nobody_uid}",
    "virtual_gid_maps": "static:{nobody_gid}",
    "recipient_delimiter": "+",
    "smtp_tls_security_level": "may",
    "smtp_tls_loglevel": "1",
}

# service type private unpriv chroot wakeup maxproc command
MASTER = """\
pickup     unix       n - n 60    1 pickup
cleanup    unix       n - n -     0 cleanup
qmgr       unix       n - n 300   1 qmgr
tlsmgr     unix       - - n 1000? 1 tlsmgr
rewrite    unix       - - n -     - trivial-rewrite
bounce     unix       - - n -     0 bounce
defer      unix       - - n -     0 bounce
trace      unix       - - n -     0 bounce
verify     unix       - - n -     1 verify
flush      unix       n - n 1000? 0 flush
proxymap   unix       - - n -     - proxymap
proxywrite unix       - - n -     1 proxymap
smtp       unix       - - n -     - smtp
relay      unix       - - n -     - smtp
showq      unix       n - n -     - showq
error      unix       - - n -     - error
retry      unix       - - n -     - error
discard    unix       - - n -     - discard
local      unix       - n n -     - local
virtual    unix       - n n -     - virtual
lmtp       unix       - - n -     - lmtp
anvil      unix       - - n -     1 anvil
scache     unix       - - n -     1 scache
postlog    unix-dgram n - n -     1 postlogd
"""


@dataclass
class Relay:
    directory: str
    # Settings that differ from `MAIN`, and lookup tables by file name, which settings name as `{dir}/conf/NAME`.
    settings: dict[str, str]
    services: str
    tables: dict[str, str] = field(default_factory=dict)
    # Bound on the life of Postfix, in seconds of its clock.
    seconds_max: int = 600
    master: subprocess.Popen | None = None
    guard: subprocess.Popen | None = None

    @property
    def conf(self) -> str:
        return f"{self.directory}/conf"

    def write(self) -> None:
        """Writes the configuration and makes the directories, readable by Postfix' own user."""
        nobody = pwd.getpwnam("nobody")
        postfix = pwd.getpwnam("postfix")
        for name in ("conf", "spool", "data", "mail", "log"):
            os.makedirs(f"{self.directory}/{name}", mode=0o755, exist_ok=True)
        os.chown(f"{self.directory}/data", postfix.pw_uid, postfix.pw_gid)
        os.chown(f"{self.directory}/mail", nobody.pw_uid, nobody.pw_gid)
        facts = {"dir": self.directory, "nobody_uid": nobody.pw_uid, "nobody_gid": nobody.pw_gid}
        lines = [f"{name} = {value.format(**facts)}\n" for name, value in (MAIN | self.settings).items()]
        _write(f"{self.conf}/main.cf", "".join(lines))
        _write(f"{self.conf}/master.cf", MASTER + self.services)
        for name, text in self.tables.items():
            _write(f"{self.conf}/{name}", text)

    def start(self) -> None:
        """Starts master(8) as our own child. It ends with us, however we end, or after `seconds_max`."""
        done = subprocess.run(["postfix", "-c", self.conf, "check"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"`postfix check` failed: {done.stderr.strip() or done.stdout.strip()}")
        master = [MAIN["daemon_directory"] + "/master", "-c", self.conf, "-e", str(self.seconds_max)]
        self.master = subprocess.Popen(master, stdin=subprocess.DEVNULL)
        # Reads a line when all went well; reads the end of the pipe when we died, even by SIGKILL.
        guard = ["sh", "-c", f"read -r line || kill {self.master.pid}"]
        self.guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)

    async def wait_until_up(self, address: str, port: int) -> None:
        """Returns when the relay takes connections."""
        for _ in range(START_TRIES_MAX):
            try:
                _, writer = await asyncio.open_connection(address, port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(START_POLL_SECONDS)
        raise RuntimeError(f"Postfix does not answer on {address}:{port}; see the log below {self.directory}")

    def stop(self) -> None:
        """Ends Postfix: politely, then with its whole process group."""
        if self.master is None or self.guard is None:
            return
        self.master.terminate()
        try:
            self.master.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(self.master.pid, signal.SIGKILL)
        self.guard.communicate(b"stopped\n")

    def queued(self, *queues: str) -> int:
        """Messages in the named queues, such as `active` and `deferred`."""
        return sum(len(files) for queue in queues for _, _, files in os.walk(f"{self.directory}/spool/{queue}"))

    def notices(self) -> list[str]:
        """The notices (bounces, delay warnings) that came back, as text."""
        texts = []
        for folder, _, names in os.walk(f"{self.directory}/mail/return-path/new"):
            for name in sorted(names):
                with open(f"{folder}/{name}", encoding="utf-8", errors="replace") as file:
                    texts.append(file.read())
        return texts


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
