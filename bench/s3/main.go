// The other side of AkiDB's S3 client in benchmarks: the same requests sent by minio-go, and by a client that does nothing but
// send bytes and read them. One case a run; prints one line of JSON. bench/s3/README.md says how all of it is run.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// The objects of the bucket. Ranges begin at multiples of their length, spread over the large one in a fixed order.
const (
	smallKey   = "bench-4k"
	smallBytes = 4 << 10
	largeKey   = "bench-64m"
	largeBytes = 64 << 20
	rangeBytes = 64 << 10
	uploadKey  = "bench-upload"
)

type result struct {
	Client        string  `json:"client"`
	Case          string  `json:"case"`
	Requests      int     `json:"requests"`
	InFlight      int     `json:"in_flight"`
	PerSecond     float64 `json:"requests_per_s"`
	MiBPerSecond  float64 `json:"mib_per_s"`
	CPUPerRequest float64 `json:"cpu_us_per_request"`
	P50           float64 `json:"p50_us"`
	P99           float64 `json:"p99_us"`
}

// A client performs request number i and returns how many bytes it read or wrote.
type request func(i int) (int64, error)

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// measure sends `requests` requests, `inFlight` at a time, each from the next number on. The first tenth is not counted.
func measure(requests, inFlight int, newRequest func() (request, error)) (result, error) {
	clients := make([]request, inFlight)
	for i := range clients {
		var err error
		if clients[i], err = newRequest(); err != nil {
			return result{}, err
		}
	}
	run := func(begin, end int, times []float64) (int64, error) {
		var next, bytes atomic.Int64
		next.Store(int64(begin))
		failures := make(chan error, inFlight)
		var all sync.WaitGroup
		for _, send := range clients {
			all.Add(1)
			go func() {
				defer all.Done()
				for {
					i := int(next.Add(1)) - 1
					if i >= end {
						return
					}
					start := time.Now()
					n, err := send(i)
					if err != nil {
						failures <- fmt.Errorf("request %d: %w", i, err)
						return
					}
					bytes.Add(n)
					if times != nil {
						times[i-begin] = float64(time.Since(start).Nanoseconds()) / 1e3
					}
				}
			}()
		}
		all.Wait()
		close(failures)
		return bytes.Load(), <-failures
	}
	warm := requests / 10
	if _, err := run(0, warm, nil); err != nil {
		return result{}, err
	}
	times := make([]float64, requests)
	cpu, start := cpuSeconds(), time.Now()
	bytes, err := run(warm, warm+requests, times)
	if err != nil {
		return result{}, err
	}
	seconds := time.Since(start).Seconds()
	cpu = cpuSeconds() - cpu
	sort.Float64s(times)
	return result{Requests: requests, InFlight: inFlight, PerSecond: float64(requests) / seconds,
		MiBPerSecond: float64(bytes) / seconds / (1 << 20), CPUPerRequest: cpu * 1e6 / float64(requests),
		P50: times[requests/2], P99: times[requests*99/100]}, nil
}

// rangeOf is where request number i reads: every 64-KiB piece once before any comes again, neighbours far apart.
func rangeOf(i int) (begin, end int64) {
	const pieces = largeBytes / rangeBytes
	begin = int64(i*617%pieces) * rangeBytes
	return begin, begin + rangeBytes
}

// pattern is a file of any size without the memory for it: its bytes are those of a block, over and over.
type pattern struct {
	block []byte
}

func newPattern() pattern {
	block := make([]byte, 1<<20)
	state := uint64(1)
	for i := range block {
		state = state*6364136223846793005 + 1442695040888963407
		block[i] = byte(state >> 56)
	}
	return pattern{block}
}

func (p pattern) ReadAt(out []byte, at int64) (int, error) {
	for done := 0; done < len(out); {
		done += copy(out[done:], p.block[(at+int64(done))%int64(len(p.block)):])
	}
	return len(out), nil
}

type target struct {
	endpoint             *url.URL
	bucket               string
	accessKey, secretKey string
}

func (t target) sdk() (*minio.Client, error) {
	return minio.New(t.endpoint.Host, &minio.Options{Creds: credentials.NewStaticV4(t.accessKey, t.secretKey, ""),
		Secure: t.endpoint.Scheme == "https", Region: "us-east-1"})
}

func prepare(t target) error {
	client, err := t.sdk()
	if err != nil {
		return err
	}
	for key, size := range map[string]int64{smallKey: smallBytes, largeKey: largeBytes} {
		body := io.NewSectionReader(newPattern(), 0, size)
		// In the parts that AkiDB uploads, so that the store has the same to look for.
		if _, err := client.PutObject(context.Background(), t.bucket, key, body, size, minio.PutObjectOptions{PartSize: 8 << 20}); err != nil {
			return err
		}
	}
	return nil
}

func run() error {
	name := flag.String("case", "", "prepare | get_4k | range_64k | upload")
	clientName := flag.String("client", "minio-go", "minio-go | bare")
	endpoint := flag.String("endpoint", os.Getenv("AKIDB_TEST_S3_ENDPOINT"), "http://HOST:PORT; keys come from AKIDB_TEST_S3_ACCESS_KEY and AKIDB_TEST_S3_SECRET_KEY")
	bucket := flag.String("bucket", "bench", "bucket, which must be there")
	requests := flag.Int("requests", 2000, "how many requests are measured")
	inFlight := flag.Int("in-flight", 1, "how many at a time, each on a connection of its own")
	uploadMiB := flag.Int64("upload-mib", 1024, "size of the uploaded object")
	flag.Parse()
	base, err := url.Parse(*endpoint)
	if err != nil || base.Host == "" {
		return fmt.Errorf("endpoint is %q, expected http://HOST:PORT", *endpoint)
	}
	t := target{base, *bucket, os.Getenv("AKIDB_TEST_S3_ACCESS_KEY"), os.Getenv("AKIDB_TEST_S3_SECRET_KEY")}

	var measured result
	switch {
	case *name == "prepare":
		return prepare(t)
	case *name == "upload" && *clientName == "minio-go":
		measured, err = uploadWithSDK(t, *uploadMiB<<20)
	case (*name == "get_4k" || *name == "range_64k") && *clientName == "minio-go":
		measured, err = measure(*requests, *inFlight, sdkReader(t, *name))
	case (*name == "get_4k" || *name == "range_64k") && *clientName == "bare":
		measured, err = measure(*requests, *inFlight, func() (request, error) { return newBareReader(t, *name) })
	default:
		return fmt.Errorf("there is no case %q for client %q", *name, *clientName)
	}
	if err != nil {
		return err
	}
	measured.Client, measured.Case = *clientName, *name
	return json.NewEncoder(os.Stdout).Encode(measured)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "s3_peer:", err)
		os.Exit(1)
	}
}
