// A mail server that takes every mail and keeps none, so that it is not the bottleneck of whoever sends.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", os.Getenv("SMTP_ADDR"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		go serve(connection)
	}
}

func serve(connection net.Conn) {
	defer connection.Close()
	in, out := bufio.NewReader(connection), bufio.NewWriter(connection)
	say(in, out, "220 bench ESMTP")
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch verb := string(bytes.ToUpper(line[:min(4, len(line))])); verb {
		case "EHLO":
			say(in, out, "250-bench", "250-PIPELINING", "250-8BITMIME", "250 SMTPUTF8")
		case "DATA":
			say(in, out, "354 go on")
			if !skip(in) {
				return
			}
			say(in, out, "250 OK")
		case "QUIT":
			say(in, out, "221 bye")
			return
		default:
			say(in, out, "250 OK")
		}
	}
}

// skip reads a mail to the line with only a dot.
func skip(in *bufio.Reader) bool {
	for begins := true; ; {
		part, err := in.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return false
		}
		if begins && bytes.Equal(part, []byte(".\r\n")) {
			return true
		}
		begins = err == nil
	}
}

// say answers; what can be read already is answered together.
func say(in *bufio.Reader, out *bufio.Writer, lines ...string) {
	for _, line := range lines {
		_, _ = out.WriteString(line + "\r\n")
	}
	if in.Buffered() == 0 {
		_ = out.Flush()
	}
}
