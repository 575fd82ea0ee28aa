package main

import (
	"context"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

// sdkReader sends GETs with minio-go as its users would: one client for all, which pools connections.
func sdkReader(t target, name string) func() (request, error) {
	client, err := t.sdk()
	return func() (request, error) {
		if err != nil {
			return nil, err
		}
		buffer := make([]byte, rangeBytes)
		core := minio.Core{Client: client}
		return func(i int) (int64, error) {
			var options minio.GetObjectOptions
			key, size := smallKey, int64(smallBytes)
			if name == "range_64k" {
				begin, end := rangeOf(i)
				if err := options.SetRange(begin, end-1); err != nil {
					return 0, err
				}
				key, size = largeKey, rangeBytes
			}
			// Core's GET is one request; Client.GetObject would add a goroutine and a channel to each.
			body, _, _, err := core.GetObject(context.Background(), t.bucket, key, options)
			if err != nil {
				return 0, err
			}
			defer body.Close()
			n, err := io.ReadFull(body, buffer[:size])
			return int64(n), err
		}, nil
	}
}

// uploadWithSDK is the SDK's parallel upload with the part size and parallelism that it chooses.
func uploadWithSDK(t target, size int64) (result, error) {
	client, err := t.sdk()
	if err != nil {
		return result{}, err
	}
	cpu, start := cpuSeconds(), time.Now()
	body := io.NewSectionReader(newPattern(), 0, size)
	if _, err := client.PutObject(context.Background(), t.bucket, uploadKey, body, size, minio.PutObjectOptions{}); err != nil {
		return result{}, err
	}
	seconds := time.Since(start).Seconds()
	return result{Requests: 1, InFlight: 1, PerSecond: 1 / seconds, MiBPerSecond: float64(size) / seconds / (1 << 20),
		CPUPerRequest: (cpuSeconds() - cpu) * 1e6, P50: seconds * 1e6, P99: seconds * 1e6}, nil
}
