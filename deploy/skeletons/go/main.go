// A small HTTP service under strategy exec or reuseport (HANDOVER=reuseport): HTTP/1.1 on PORT, HTTPS with HTTP/2 on TLS_PORT.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	version := ownVersion()
	handler := http.NewServeMux()
	handler.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { answer(w, version) })
	handler.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) {
		ms, _ := strconv.Atoi(r.URL.Query().Get("ms"))
		time.Sleep(time.Duration(ms) * time.Millisecond)
		answer(w, version)
	})
	server := NewGraceful(handler)
	certificate, err := loadCertificate()
	must(err)
	server.TLSConfig.Certificates = []tls.Certificate{certificate}

	handover, err := NewHandover(os.Getenv("HANDOVER") == "reuseport")
	must(err)
	var listeners []net.Listener
	for _, place := range []struct{ name, port string }{{"http", os.Getenv("PORT")}, {"https", os.Getenv("TLS_PORT")}} {
		if place.port == "" {
			continue
		}
		listener, err := handover.Listen(place.name, net.JoinHostPort(os.Getenv("CUTOVER_ADDRESS"), place.port))
		must(err)
		listeners = append(listeners, listener)
		serve := func() error { return server.Serve(listener) }
		if place.name == "https" {
			serve = func() error { return server.ServeTLS(listener, "", "") }
		}
		go func() { log.Print(serve()) }()
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR2, syscall.SIGTERM)
	Ready()
	log.Printf("version %s serves as %d", version, os.Getpid())
	for received := range signals {
		if received == syscall.SIGTERM {
			break
		}
		if err := handover.StartSuccessor(); err != nil {
			log.Printf("cannot start %s: %v", os.Getenv("CUTOVER_START"), err)
		}
	}
	server.Drain(listeners, seconds("UNREADY_SECONDS", 0), seconds("DRAIN_SECONDS", 10), seconds("LONGEST_DRAIN_SECONDS", 15))
}

func answer(w http.ResponseWriter, version string) {
	text := fmt.Sprintf("go %s pid %d", version, os.Getpid())
	sum := sha256.Sum256([]byte(text))
	fmt.Fprintf(w, "%s sum %x\n", text, sum[:4])
}

// loadCertificate reads TLS_CERT and TLS_KEY; without them it makes one up, so that the skeleton runs by itself.
func loadCertificate() (tls.Certificate, error) {
	if file := os.Getenv("TLS_CERT"); file != "" {
		return tls.LoadX509KeyPair(file, os.Getenv("TLS_KEY"))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func seconds(name string, otherwise int) time.Duration {
	if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
		otherwise = value
	}
	return time.Duration(otherwise) * time.Second
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
