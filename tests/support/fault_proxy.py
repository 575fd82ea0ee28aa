"""A proxy of ours between a client and a store: it passes HTTP/1.1 on unchanged, except where a test wants it to fail.

It runs in a thread of its own and may be told anything at any time:

    with FaultProxy("127.0.0.1", store_port) as proxy:
        proxy.add(Rule(LostAnswer(), method="PUT", skip=2))   # the third PUT
        proxy.latency(request_s=0.01, answer_s=0.01)
        proxy.black_hole(); ...; proxy.heal()

`proxy.exchanges` is what passed, for counting. TLS cannot be looked into: there, only the modes work (passthrough=True).
"""

import asyncio
import contextlib
import dataclasses
import socket
import struct
import threading

from faults import Fault, Late

CHUNK = 1 << 16
HEAD_BYTES_MAX = 1 << 16


@dataclasses.dataclass
class Exchange:
    method: str
    target: str
    status: int | None = None  # None: the client got no whole head
    answer_bytes: int = 0      # of the body, as the client got them
    fault: Fault | None = None


class Ended(Exception):
    """The connection is over, for whatever reason."""


class Cut(Exception):
    """A fault says that nothing more passes."""


class Pipe:
    """One side of a connection: bytes with a budget of a fault and the speed of a link."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.left = None  # bytes until the cut
        self.sent = 0

    async def send(self, data, bytes_per_s=None):
        cut = self.left is not None and len(data) > self.left
        if cut:
            data = data[:self.left]
        step = max(1, min(CHUNK, int(bytes_per_s / 50))) if bytes_per_s else CHUNK
        for begin in range(0, len(data), step):
            part = data[begin:begin + step]
            if bytes_per_s:
                await asyncio.sleep(len(part) / bytes_per_s)
            self.writer.write(part)
            await self.writer.drain()
            self.sent += len(part)
        if self.left is not None:
            self.left -= len(data)
        if cut:
            raise Cut

    async def read_head(self):
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
            raise Ended from error
        first, *rest = head.decode("latin-1").split("\r\n")
        return head, first.split(" ", 2), {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in rest if line)}

    async def body(self, headers, until_end):
        """The body in pieces, framing included: fixed length, chunked, or all until the end."""
        try:
            if "chunked" in headers.get("transfer-encoding", "").lower():
                size = None
                while size != 0:
                    line = await self.reader.readuntil(b"\r\n")
                    size = int(line.split(b";")[0], 16)
                    yield line + await self.reader.readexactly(size) + await self.reader.readexactly(2)
                return
            left = int(headers["content-length"]) if "content-length" in headers else (None if until_end else 0)
            while left != 0:
                data = await self.reader.read(CHUNK if left is None else min(CHUNK, left))
                if not data:
                    if left is None:
                        return
                    raise Ended
                left = None if left is None else left - len(data)
                yield data
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, OSError) as error:
            raise Ended from error

    def reset(self):
        """A RST instead of an orderly end."""
        if self.writer.transport.is_closing():
            return
        sock = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self):
        with contextlib.suppress(OSError, RuntimeError):
            self.writer.close()
            await self.writer.wait_closed()


class FaultProxy:
    def __init__(self, host, port, passthrough=False):
        self.upstream = (host, port)
        self.passthrough = passthrough
        self.exchanges = []
        self.connections = 0  # that were accepted
        self._rules = []
        self._request_latency = self._answer_latency = 0.0
        self._request_speed = self._answer_speed = None
        self._mode = "forward"
        self._open = set()  # pipes of both sides
        self._tasks = set()
        self._silencing = False
        self._fillers = {}  # address -> socket
        self._lock = threading.Lock()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._listen(0))
        return self

    def stop(self):
        self.heal()
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._listener.close()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    # What a test says.

    def add(self, *rules):
        """Rules are asked in order; the first that strikes wins."""
        with self._lock:
            self._rules += rules
        return rules[0]

    def clear(self):
        with self._lock:
            self._rules.clear()

    def latency(self, request_s=0.0, answer_s=0.0):
        """Added to each request before it is forwarded, and to each answer."""
        self._request_latency, self._answer_latency = request_s, answer_s

    def bandwidth(self, request_bytes_per_s=None, answer_bytes_per_s=None):
        """Of each connection."""
        self._request_speed, self._answer_speed = request_bytes_per_s, answer_bytes_per_s

    def reset_all(self):
        """Every open connection, now."""
        self._call(self._reset_all())

    def refuse(self):
        """Nobody listens: connections are refused, open ones reset."""
        self._call(self._enter("refuse"))

    def half_open(self):
        """Connections are accepted, and nothing is ever answered or forwarded, on open ones neither."""
        self._call(self._enter("half_open"))

    def black_hole(self):
        """A cable that was cut: open connections fall silent, new ones are not even accepted."""
        self._call(self._enter("black_hole"))

    def heal(self):
        """Back to forwarding. What fell silent stays so, like a connection whose packets were lost for too long: it is reset."""
        self._call(self._enter("forward"))

    def counted(self, method=None, target=""):
        """How many requests with this method and this text in their target came."""
        return sum(1 for e in list(self.exchanges) if (method is None or e.method == method) and target in e.target)

    # The thread's side.

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _listen(self, port):
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._acceptor = self._spawn(self._accept())

    def _spawn(self, coroutine):
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self):
        while True:
            connection, address = await self._loop.sock_accept(self._listener)
            if self._fillers.pop(address, None):
                connection.close()
                continue
            self.connections += 1
            self._spawn(self._serve(connection))

    async def _stop_listening(self, close):
        self._acceptor.cancel()
        await asyncio.gather(self._acceptor, return_exceptions=True)
        if close:
            self._listener.close()

    async def _enter(self, mode):
        if mode == self._mode:
            return
        before, self._mode = self._mode, mode
        if before != "forward":
            await self._leave(before)
        if mode == "refuse":
            await self._stop_listening(close=True)
            await self._reset_all()
        elif mode == "half_open":
            await self._silence_all()
        elif mode == "black_hole":
            await self._stop_listening(close=False)
            await self._silence_all()
            self._fill_backlog()

    async def _leave(self, mode):
        await self._reset_all()
        for filler in self._fillers.values():
            filler.close()
        if mode == "refuse":
            await self._listen(self.port)
        elif mode == "black_hole":
            self._listener.listen(128)
            self._acceptor = self._spawn(self._accept())

    def _fill_backlog(self):
        """Linux drops the SYNs of a listener whose queue is full, which is what a cut cable looks like from outside."""
        self._listener.listen(0)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.bind(("127.0.0.1", 0))
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", self.port))
            self._fillers[filler.getsockname()] = filler

    async def _silence_all(self):
        """Ends what forwards, without closing the sockets."""
        tasks = [t for t in self._tasks if t is not self._acceptor and t is not asyncio.current_task()]
        self._silencing = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._silencing = False

    async def _reset_all(self):
        for pipe in list(self._open):
            pipe.reset()
        self._open.clear()

    async def _shut(self):
        await self._stop_listening(close=True)
        await self._reset_all()
        for task in list(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.sleep(0)

    async def _serve(self, connection):
        client = Pipe(*await self._wrap(connection))
        self._open.add(client)
        if self._mode == "half_open":
            return
        pipes = [client]
        try:
            store = Pipe(*await asyncio.open_connection(*self.upstream, limit=HEAD_BYTES_MAX))
            self._open.add(store)
            pipes.append(store)
            if self.passthrough:
                await asyncio.gather(self._copy(client, store), self._copy(store, client))
            else:
                while await self._exchange(client, store):
                    pass
        except (Ended, OSError):
            pass
        except asyncio.CancelledError:
            if self._silencing:
                return  # the sockets stay as they are
            raise
        for pipe in pipes:
            await pipe.close()
            self._open.discard(pipe)

    async def _wrap(self, connection):
        reader = asyncio.StreamReader(limit=HEAD_BYTES_MAX, loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
        transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, connection)
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)

    async def _copy(self, source, sink):
        while data := await source.reader.read(CHUNK):
            sink.writer.write(data)
            await sink.writer.drain()
        if sink.writer.can_write_eof():
            sink.writer.write_eof()

    def _fault_for(self, method, target):
        with self._lock:
            return next((rule.fault for rule in self._rules if rule.strikes(method, target)), Fault())

    async def _exchange(self, client, store):
        """One request and its answer; True if another may follow on this connection."""
        head, (method, target, _), headers = await client.read_head()
        fault = self._fault_for(method, target)
        exchange = Exchange(method, target, fault=None if type(fault) is Fault else fault)
        self.exchanges.append(exchange)
        if headers.get("expect", "").lower() == "100-continue":
            await client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault.released is not None:
            return await self._deliver_late(fault, client, store, head, headers)
        await asyncio.sleep(self._request_latency)
        store.left, client.left = fault.request_bytes_max, fault.answer_bytes_max
        if fault.own_answer is not None:
            async for _ in client.body(headers, until_end=False):
                pass
            exchange.status = int(fault.own_answer.split(b" ", 2)[1])
            await client.send(fault.own_answer)
            return True
        answer = self._loop.create_task(store.read_head())
        try:
            await store.send(head, self._request_speed)
            await self._pass_body(client, store, headers, answer)
            # A request that is shorter than the fault's place still ends there.
            if fault.request_bytes_max is not None:
                raise Cut
        except Cut:
            answer.cancel()
            client.reset()
            store.reset()
            raise Ended from None
        except BaseException:
            answer.cancel()
            raise
        return await self._pass_answer(exchange, fault, method, client, store, answer)

    async def _pass_body(self, client, store, headers, answer):
        """A store may answer before it has read everything, and hang up soon after: then the rest is dropped."""
        async for data in client.body(headers, until_end=False):
            if answer.done():
                continue
            sending = self._loop.create_task(store.send(data, self._request_speed))
            await asyncio.wait({sending, answer}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
            else:
                sending.cancel()

    async def _pass_answer(self, exchange, fault, method, client, store, answer):
        head, (_, status, *_), headers = await answer
        while status.startswith("1"):
            head, (_, status, *_), headers = await store.read_head()
        status = int(status)
        has_body = method != "HEAD" and status not in (204, 304)
        await asyncio.sleep(self._answer_latency)
        before = None
        try:
            await client.send(head, self._answer_speed)
            exchange.status, before = status, client.sent
            client.left = fault.body_bytes_max if fault.body_bytes_max is not None else client.left
            async for data in store.body(headers, until_end=True) if has_body else _nothing():
                # Said before it is sent: whoever has the whole answer may look at once.
                exchange.answer_bytes = client.sent - before + len(data)
                await client.send(_flipped(data, client.sent - before, fault.flipped_byte), self._answer_speed)
        except Cut:
            await self._end(fault.end, client)
        finally:
            exchange.answer_bytes = client.sent - before if before is not None else 0
        again = "close" not in headers.get("connection", "").lower()
        return again and ("content-length" in headers or "transfer-encoding" in headers or not has_body)

    async def _end(self, how, client):
        if how == "silence":
            await asyncio.Event().wait()
        elif how == "reset":
            client.reset()
        raise Ended

    async def _deliver_late(self, fault: Late, client, store, head, headers):
        request = head + b"".join([data async for data in client.body(headers, until_end=False)])
        client.reset()
        while not fault.released.is_set():
            await asyncio.sleep(0.005)
        late = Pipe(*await asyncio.open_connection(*self.upstream, limit=HEAD_BYTES_MAX))
        await late.send(request)
        await late.read_head()
        await late.close()
        fault.landed.set()
        raise Ended


def _flipped(data, begin, at):
    """The piece of a body that begins at `begin`, with byte `at` of the body changed if it is in it."""
    if at is None or not begin <= at < begin + len(data):
        return data
    at -= begin
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1:]


async def _nothing():
    return
    yield
