// The part to copy: listeners that outlive the process, and an end that no client notices.
//
// Strategy exec: SIGUSR2 starts CUTOVER_START with our listeners (LISTEN_FDS, LISTEN_FDNAMES, LISTEN_FD); SIGTERM ends us when it serves.
// Strategy reuseport: a second process opens the same ports beside us (SO_REUSEPORT); SIGTERM ends us when it serves.
// Under systemd sockets that a .socket unit holds are taken in the same way.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// soReuseport is missing in package syscall; it has this number on all of Linux but MIPS, SPARC and PA-RISC.
const soReuseport = 15

// Handover holds the listeners by name.
type Handover struct {
	reuseport bool
	names     []string
	listeners []*net.TCPListener
	inherited map[string]*net.TCPListener
}

// NewHandover takes what was passed to this process. With reuseport it shares ports instead of descriptors.
func NewHandover(reuseport bool) (*Handover, error) {
	h := &Handover{reuseport: reuseport, inherited: map[string]*net.TCPListener{}}
	count, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	first := 3
	if one, err := strconv.Atoi(os.Getenv("LISTEN_FD")); err == nil && count == 0 {
		first, count = one, 1
	}
	// A variable that was meant for another process; a successor of ours gets none, since nobody knows its pid before it is there.
	if pid := os.Getenv("LISTEN_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		count = 0
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, variable := range []string{"LISTEN_FDS", "LISTEN_FD", "LISTEN_PID", "LISTEN_FDNAMES"} {
		os.Unsetenv(variable)
	}
	for i := 0; i < count; i++ {
		file := os.NewFile(uintptr(first+i), "inherited")
		listener, err := net.FileListener(file) // a duplicate, closed on exec
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("descriptor %d is no listener: %w", first+i, err)
		}
		name := "http"
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		h.inherited[name] = listener.(*net.TCPListener)
	}
	return h, nil
}

// Listen returns the listener of that name: the inherited one, or a new one at the address.
func (h *Handover) Listen(name, address string) (net.Listener, error) {
	listener := h.inherited[name]
	if listener == nil {
		config := net.ListenConfig{}
		if h.reuseport {
			config.Control = func(_, _ string, raw syscall.RawConn) error {
				var err error
				if failed := raw.Control(func(fd uintptr) {
					err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReuseport, 1)
				}); failed != nil {
					return failed
				}
				return err
			}
		}
		fresh, err := config.Listen(context.Background(), "tcp", address)
		if err != nil {
			return nil, err
		}
		listener = fresh.(*net.TCPListener)
	}
	h.names = append(h.names, name)
	h.listeners = append(h.listeners, listener)
	return listener, nil
}

// StartSuccessor starts CUTOVER_START with the listeners as descriptors 3, 4, …. Their mode stays: (*os.File).Fd would make them block here too.
func (h *Handover) StartSuccessor() error {
	start := os.Getenv("CUTOVER_START")
	env := append(os.Environ(), "LISTEN_FD=3", "LISTEN_FDS="+strconv.Itoa(len(h.listeners)), "LISTEN_FDNAMES="+strings.Join(h.names, ":"))
	files := []uintptr{0, 1, 2}
	pid, err := h.fork(start, env, files, h.listeners)
	if err != nil {
		return err
	}
	go func() { // it is our child, also when it fails
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &status, 0, nil); err == nil {
			log.Printf("successor %d ended: status %d", pid, status.ExitStatus())
		}
	}()
	return nil
}

// fork holds one listener after the other, so that none is closed meanwhile.
func (h *Handover) fork(start string, env []string, files []uintptr, rest []*net.TCPListener) (pid int, err error) {
	if len(rest) == 0 {
		return syscall.ForkExec(start, []string{start}, &syscall.ProcAttr{Env: env, Files: files})
	}
	raw, err := rest[0].SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := raw.Control(func(fd uintptr) { pid, err = h.fork(start, env, append(files, fd), rest[1:]) })
	if failed != nil {
		return 0, failed
	}
	return pid, err
}

// Ready says that this process serves: to CUTOVER_PID_FILE and to systemd.
func Ready() {
	pid := strconv.Itoa(os.Getpid())
	if path := os.Getenv("CUTOVER_PID_FILE"); path != "" {
		fresh := path + "." + pid
		if err := os.WriteFile(fresh, []byte(pid+"\n"), 0o644); err != nil {
			log.Fatal(err)
		}
		if err := os.Rename(fresh, path); err != nil {
			log.Fatal(err)
		}
	}
	if path := os.Getenv("NOTIFY_SOCKET"); path != "" {
		if conn, err := net.Dial("unixgram", path); err == nil {
			fmt.Fprintf(conn, "MAINPID=%s\nREADY=1\n", pid)
			conn.Close()
		}
	}
}

// SuccessorInCharge says whether CUTOVER_PID_FILE names another process that lives. Without the file, as under systemd, nobody knows: false.
func SuccessorInCharge() bool {
	text, err := os.ReadFile(os.Getenv("CUTOVER_PID_FILE"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return err == nil && pid > 0 && pid != os.Getpid() && syscall.Kill(pid, 0) == nil
}

// Graceful wraps a server so that it can end without a failed request.
type Graceful struct {
	*http.Server
	draining atomic.Bool
	unready  atomic.Bool
	mutex    sync.Mutex
	open     map[net.Conn]http.ConnState
}

// NewGraceful serves the handler; /ready says whether the service at these ports wants new clients, here or in a successor.
func NewGraceful(handler http.Handler) *Graceful {
	g := &Graceful{open: map[net.Conn]http.ConnState{}}
	g.Server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if g.draining.Load() {
				// HTTP/1: this was the connection's last answer. HTTP/2: package http sends GOAWAY.
				w.Header().Set("Connection", "close")
			}
			if r.URL.Path != "/ready" {
				handler.ServeHTTP(w, r)
			} else if g.unready.Load() {
				http.Error(w, "ending", http.StatusServiceUnavailable)
			} else {
				fmt.Fprintln(w, "ready")
			}
		}),
		ConnState: func(conn net.Conn, state http.ConnState) {
			g.mutex.Lock()
			defer g.mutex.Unlock()
			g.open[conn] = state
			if state == http.StateClosed || state == http.StateHijacked {
				delete(g.open, conn)
			}
		},
		// Named, because the first Serve without TLS decides for good whether package http sets up HTTP/2.
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
	}
	return g
}

// Drain ends the server. Readiness goes first, unless a successor is in charge: then the service stays ready, and who asks the old process on
// a kept connection hears so. `unready` later, when balancers have seen it, no new connection is taken; each client is told with its next
// answer to go elsewhere. Idle clients that ask nothing within `patience` are sent away; requests under way are waited for, and
// for `longest` those that have connected and not asked yet: their first request is on its way, or their TLS handshake.
func (g *Graceful) Drain(listeners []net.Listener, unready, patience, longest time.Duration) {
	if !SuccessorInCharge() {
		g.unready.Store(true)
		time.Sleep(unready)
	}
	g.draining.Store(true)
	for _, listener := range listeners {
		listener.Close() // a successor has its own
	}
	// Rounds, not the clock: while a machine stood still, nobody could ask.
	const round = 20 * time.Millisecond
	for waited := time.Duration(0); waited < longest; waited += round {
		fresh, idle := g.waiting()
		if fresh == 0 && (idle == 0 || waited >= patience) {
			break
		}
		time.Sleep(round)
	}
	if err := g.Shutdown(context.Background()); err != nil { // GOAWAY to what is left; host.sh kills who takes too long
		log.Print(err)
	}
}

// waiting counts the connections on which no request is under way: those that had none yet, and the idle ones.
func (g *Graceful) waiting() (fresh, idle int) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for _, state := range g.open {
		switch state {
		case http.StateNew:
			fresh++
		case http.StateIdle:
			idle++
		}
	}
	return fresh, idle
}

// ownVersion is the file `version` beside the program.
func ownVersion() string {
	path, err := os.Executable()
	if err != nil {
		return "unknown"
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "version"))
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
