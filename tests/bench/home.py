"""A home of ebmd for a bench: its daemon, its jobs, and that nothing of it
stays behind."""
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

LIVE = ("starting", "running", "pausing", "unknown")


def environ_of(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            return dict(e.split(b"=", 1) for e in f.read().split(b"\0") if b"=" in e)
    except OSError:
        return {}


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited in vain for {what}")
        time.sleep(0.005)


class Home:
    """with Home(bin, EBM_SLOTS="1") as h: an ebmd serves in h.path."""

    def __init__(self, programs, **settings):
        self.programs, self.children = programs, []
        self.path = tempfile.mkdtemp(prefix="ebm-bench-")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("EBM_", "OMPI_"))}
        self.env = {**clean, "EBM_HOME": self.path, "EBM_NO_AUTOSTART": "1",
                    "EBM_LOG_LEVEL": "warn", **settings}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *why):
        self.close()

    # ---- programs ----

    def program(self, name):
        return os.path.join(self.programs, name)

    def run(self, *command):
        done = subprocess.run([self.program(command[0]), *map(str, command[1:])], env=self.env,
                              stdout=subprocess.PIPE, text=True, check=True, timeout=600)
        return done.stdout

    def ask(self, *words):
        return json.loads(self.run("bench_ask", *words))

    def ask_beside(self, *words):
        child = subprocess.Popen([self.program("bench_ask"), *map(str, words)], env=self.env,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.children.append(child)
        return child

    def ctl(self, *words):
        return json.loads(self.run("ebmctl", *words, "-o", "json"))

    def submit(self, spec, *options):
        path = os.path.join(self.path, "bench.yaml")
        with open(path, "w") as f:
            f.write(spec)
        return self.ctl("submit", path, *options)["job"]

    def state(self, job):
        return self.ctl("show", job)["state"]

    def wait_state(self, job, *states, seconds=120):
        wait_until(f"job {job} to be {states[0]}", lambda: self.state(job) in states, seconds)

    def log_of(self, job, attempt=1):
        with open(f"{self.path}/jobs/{job}/attempt-{attempt}/output.log", errors="replace") as f:
            return f.read()

    # ---- the daemon ----

    def start(self):
        subprocess.run([self.program("ebmd"), "--background"], env=self.env, check=True,
                       stdout=subprocess.DEVNULL, timeout=120)

    def pid(self):
        try:
            with open(f"{self.path}/ebmd.lock") as f:
                pid = int(f.read().split()[0])
        except (OSError, ValueError, IndexError):
            return 0
        ours = environ_of(pid).get(b"EBM_HOME") == self.path.encode()
        return pid if ours and is_alive(pid) else 0

    def stop(self, number=signal.SIGTERM):
        pid = self.pid()
        if pid != 0:
            os.kill(pid, number)
            wait_until("the end of ebmd", lambda: not is_alive(pid))

    def processes(self):
        """Of this home, whatever they are: by the mark in their environment."""
        mine = self.path.encode()
        found = [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()]
        return [p for p in found if mine in (environ_of(p).get(b"EBM_HOME"),
                                             environ_of(p).get(b"EBM_HOME_MARK")) and is_alive(p)]

    def rank(self, job, rank):
        for pid in self.processes():
            e = environ_of(pid)
            if (e.get(b"EBM_JOB") == str(job).encode() and name_of(pid) == "ebm-worker"
                    and e.get(b"OMPI_COMM_WORLD_RANK") == str(rank).encode()):
                return pid
        return 0

    # ---- the end ----

    def end_jobs(self):
        if self.pid() == 0:
            return
        live = self.ctl("list", "--state", ",".join(LIVE))
        for job in live:
            self.run("ebmctl", "kill", job["job"])
        for job in live:
            self.wait_state(job["job"], "cancelled", "succeeded", "failed")

    def close(self):
        try:
            self.end_jobs()
        except (RuntimeError, subprocess.SubprocessError) as e:
            print(f"  (its jobs did not end by themselves: {e})", flush=True)
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        try:
            self.stop()
        except RuntimeError:
            self.stop(signal.SIGKILL)
        for _ in range(20):
            left = self.processes()
            if not left:
                break
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        self.remove_scratch()
        shutil.rmtree(self.path, ignore_errors=True)

    def remove_scratch(self):
        """Folders in memory, where an attempt's shepherd was killed."""
        for launch in glob.glob(f"{self.path}/jobs/*/attempt-*/launch"):
            with open(launch) as f:
                for line in f:
                    if line.startswith("scratch="):
                        shutil.rmtree(line.strip().split("=", 1)[1], ignore_errors=True)
