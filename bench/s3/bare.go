package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// bareReader is the floor: the request is signed once and sent again and again with another Range, which no signature covers;
// of the answer only status and length are looked at. It blocks in read(2) and write(2), without Go's poller. No client that
// signs, parses and checks can be faster.
type bareReader struct {
	socket  *os.File
	fd      int
	prefix  []byte // request line and headers, without the empty line
	ranged  bool
	request []byte
	buffer  []byte
}

func newBareReader(t target, name string) (request, error) {
	client, err := t.sdk()
	if err != nil {
		return nil, err
	}
	key := smallKey
	if name == "range_64k" {
		key = largeKey
	}
	signed, err := client.PresignedGetObject(context.Background(), t.bucket, key, time.Hour, nil)
	if err != nil {
		return nil, err
	}
	connection, err := net.Dial("tcp", t.endpoint.Host)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	socket, err := connection.(*net.TCPConn).File()
	if err != nil {
		return nil, err
	}
	reader := &bareReader{
		socket: socket,
		fd:     int(socket.Fd()), // which makes it blocking
		prefix: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n", signed.RequestURI(), signed.Host),
		ranged: name == "range_64k",
		buffer: make([]byte, rangeBytes+16<<10),
	}
	return reader.get, nil
}

func (r *bareReader) get(i int) (int64, error) {
	r.request = append(r.request[:0], r.prefix...)
	if r.ranged {
		begin, end := rangeOf(i)
		r.request = fmt.Appendf(r.request, "Range: bytes=%d-%d\r\n", begin, end-1)
	}
	r.request = append(r.request, "\r\n"...)
	// A request of a few hundred bytes fits into the socket's buffer, so it is written whole or not at all.
	if _, err := syscall.Write(r.fd, r.request); err != nil {
		return 0, err
	}
	have, want, length := 0, -1, 0
	for want < 0 || have < want {
		n, err := syscall.Read(r.fd, r.buffer[have:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		have += n
		if want >= 0 {
			continue
		}
		head := bytes.Index(r.buffer[:have], []byte("\r\n\r\n"))
		if head < 0 {
			continue
		}
		if length, err = bodyLength(r.buffer[:head]); err != nil {
			return 0, err
		}
		want = head + 4 + length
		if want > len(r.buffer) {
			return 0, fmt.Errorf("an answer of %d bytes", want)
		}
	}
	if have != want {
		return 0, fmt.Errorf("%d bytes came, %d were announced", have, want)
	}
	return int64(length), nil
}

func bodyLength(head []byte) (int, error) {
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 20")) {
		return 0, fmt.Errorf("answered %q", head[:min(len(head), 60)])
	}
	const name = "\r\nContent-Length: "
	_, after, found := bytes.Cut(head, []byte(name))
	if !found {
		return 0, fmt.Errorf("an answer without Content-Length")
	}
	value, _, _ := bytes.Cut(after, []byte("\r\n"))
	return strconv.Atoi(string(value))
}
