"""A real MinIO as tests drive it: started, stopped, killed, its drives taken away and given back."""

import contextlib
import http.client
import os
import pathlib
import shutil
import signal
import subprocess
import time

import s3

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "minio.sh"
START_SECONDS_MAX = 60
KMS_KEY = "akidb"  # of a server that was started with kms=True


class MinioError(RuntimeError):
    """There is no MinIO, or it does not start."""


def binary():
    """The path of the server, which is built at the first call if it has to be. Fails with what to install."""
    result = subprocess.run([str(SCRIPT), "path"], capture_output=True, text=True)
    if result.returncode != 0:
        raise MinioError(f"the tests need a MinIO server: {result.stderr}")
    return result.stdout.strip()


def make_certificate(folder):
    """A certificate for 127.0.0.1 that is its own authority: public.crt and private.key, as MinIO wants them."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "private.key"),
                    "-out", str(folder / "public.crt")], check=True, capture_output=True)
    return folder


class Minio:
    """One data directory and the process that serves it, which may be started and killed many times, on one port."""

    def __init__(self, data_dir, drives=1, kms=False, certs=None):
        self.data_dir, self.drives = pathlib.Path(data_dir), drives
        self.flags = ["--drives", str(drives), *(["--kms"] if kms else []), *(["--certs", str(certs)] if certs else [])]
        self.environment = {**os.environ, "MINIO_BIN": binary()}
        self.ca_file = pathlib.Path(certs) / "public.crt" if certs else None
        self.process = self.port = None
        self.buckets = 0

    @property
    def endpoint(self):
        return f"{'https' if self.ca_file else 'http'}://127.0.0.1:{self.port}"

    @property
    def credentials(self):
        """Access and secret key."""
        lines = dict(line.split("=", 1) for line in (self.data_dir / "credentials").read_text().splitlines())
        return lines["MINIO_ROOT_USER"], lines["MINIO_ROOT_PASSWORD"]

    def client(self, **more):
        return s3.Client(self.endpoint, *self.credentials, ca_file=self.ca_file, **more)

    def start(self):
        # A port that was free a moment ago may be taken: then the process ends and another is tried.
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            (self.data_dir / "endpoint").unlink(missing_ok=True)
            with open(self.data_dir / "minio.log", "ab") as log:
                self.process = subprocess.Popen([str(SCRIPT), "run", "--data", str(self.data_dir), "--port", str(self.port or 0), *self.flags],
                                                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
            while self.process.poll() is None:
                if self.healthy():
                    return self
                if time.monotonic() > deadline:
                    raise MinioError(f"MinIO did not start within {START_SECONDS_MAX} s:\n{self.log()[-2000:]}")
                time.sleep(0.02)
            if self.port is not None or time.monotonic() > deadline:
                raise MinioError(f"MinIO ended with {self.process.returncode}:\n{self.log()[-2000:]}")

    def healthy(self, what="cluster"):
        """/minio/health/cluster: enough drives to write; /minio/health/cluster/read: to read; live: the process answers."""
        try:
            endpoint = (self.data_dir / "endpoint").read_text().strip()
            client = s3.Client(endpoint, "", "", ca_file=self.ca_file, timeout=5)
            if client.request("GET", f"minio/health/{what}").status != 200:
                return False
        except (OSError, ValueError, http.client.HTTPException):
            return False
        self.port = int(endpoint.rsplit(":", 1)[1])
        return True

    def log(self):
        path = self.data_dir / "minio.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _reap(self, number, timeout):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout)
        self.process = None
        return code

    def stop(self):
        return self._reap(signal.SIGTERM, 60)

    def kill(self):
        """As rude as it gets."""
        return self._reap(signal.SIGKILL, 30)

    def pause(self):
        """Alive for TCP, dead for everybody who waits for an answer."""
        self.process.send_signal(signal.SIGSTOP)
        # The signal takes effect when one of the threads is scheduled, which may be a while.
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def drive(self, number):
        return self.data_dir / f"drive{number}"

    def lose_drive(self, number):
        """Takes drive 1, 2, 3 or 4 away while the server runs; a file stands in its place, so that it cannot make the folder again."""
        self.drive(number).rename(self.data_dir / f"lost{number}")
        self.drive(number).touch()

    def return_drive(self, number):
        self.drive(number).unlink()
        (self.data_dir / f"lost{number}").rename(self.drive(number))

    def bucket(self, **options):
        """A new bucket, versioned unless told otherwise."""
        self.buckets += 1
        return self.client().create_bucket(f"test-{self.buckets}", **options)

    def akidb_environment(self):
        """What `akidb serve --store s3://BUCKET/PREFIX` reads."""
        access_key, secret_key = self.credentials
        return {"AKIDB_S3_ENDPOINT": self.endpoint, "AKIDB_S3_ACCESS_KEY": access_key, "AKIDB_S3_SECRET_KEY": secret_key,
                "AKIDB_S3_REGION": s3.REGION}


@contextlib.contextmanager
def running(data_dir, **options):
    server = Minio(data_dir, **options)
    try:
        yield server.start()
    finally:
        server.kill()
        shutil.rmtree(server.data_dir, ignore_errors=True)
