package main

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"orderflow.example/bench/peers/go/order"
)

type api struct {
	producer  *kgo.Client
	catalogue *catalogue
	schemaID  uint32
}

func (a *api) routes() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("POST /v1/orders", a.place)
	routes.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	return routes
}

func refuse(w http.ResponseWriter, status int, problem string) {
	w.Header().Set("Content-Type", "application/problem+json")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"type":"urn:orderflow:problem:`+problem+`","status":`+strconv.Itoa(status)+`}`)
}

// status of each refusal, as producer-api has it.
func status(err error) int {
	switch {
	case errors.Is(err, order.ErrMalformed):
		return http.StatusBadRequest
	case errors.Is(err, order.ErrUnknownSKU):
		return http.StatusNotFound
	}
	return http.StatusUnprocessableEntity
}

var buffers = sync.Pool{New: func() any { buffer := make([]byte, 4096); return &buffer }}

// parse reads the body into a buffer that is used again: nothing of the order points into it.
func parse(w http.ResponseWriter, r *http.Request) (*order.Request, bool) {
	if !isJSON(r.Header.Get("Content-Type")) {
		refuse(w, http.StatusUnsupportedMediaType, "unsupported-media-type")
		return nil, false
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		refuse(w, http.StatusUnsupportedMediaType, "unsupported-media-type")
		return nil, false
	}
	if r.ContentLength > order.BodyBytesMax {
		refuse(w, http.StatusRequestEntityTooLarge, "body-too-large")
		return nil, false
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	length, err := readAll(r.Body, buffer)
	if err != nil {
		refuse(w, http.StatusBadRequest, "unreadable-body")
		return nil, false
	}
	if length > order.BodyBytesMax {
		refuse(w, http.StatusRequestEntityTooLarge, "body-too-large")
		return nil, false
	}
	asked, err := order.Parse((*buffer)[:length])
	if err != nil {
		refuse(w, status(err), err.Error())
		return nil, false
	}
	return asked, true
}

func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	essence, parameters, err := mime.ParseMediaType(contentType)
	charset, isSet := parameters["charset"]
	isUTF8 := strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8") || strings.EqualFold(charset, "us-ascii")
	return err == nil && essence == "application/json" && (!isSet || isUTF8)
}

func readAll(body io.Reader, buffer *[]byte) (int, error) {
	length := 0
	for length <= order.BodyBytesMax {
		if length == len(*buffer) {
			*buffer = append(*buffer, make([]byte, len(*buffer))...)
		}
		n, err := body.Read((*buffer)[length:])
		length += n
		if err == io.EOF {
			return length, nil
		}
		if err != nil {
			return length, err
		}
	}
	return length, nil
}

func key(w http.ResponseWriter, r *http.Request) (string, bool) {
	values := r.Header["Idempotency-Key"]
	if len(values) == 0 {
		return "", true
	}
	if len(values) > 1 || !order.IsKey(values[0]) {
		refuse(w, http.StatusBadRequest, "invalid-header")
		return "", false
	}
	return values[0], true
}

func (a *api) place(w http.ResponseWriter, r *http.Request) {
	key, isKey := key(w, r)
	if !isKey {
		return
	}
	asked, isOrder := parse(w, r)
	if !isOrder {
		return
	}
	placed, err := order.Place(asked, key, a.catalogue.lookUp(asked.Lines), time.Now())
	if err != nil {
		refuse(w, status(err), err.Error())
		return
	}
	record := &kgo.Record{
		Key:     []byte(placed.CustomerID),
		Value:   placed.Value(a.schemaID),
		Headers: placed.Headers(order.Trace(r.Header.Get("Traceparent"))),
	}
	if err := a.publish(record); err != nil {
		problem := "outcome-unknown"
		if errors.Is(err, kgo.ErrMaxBuffered) {
			problem = "queue-full"
		}
		refuse(w, http.StatusServiceUnavailable, problem)
		return
	}
	accept(w, placed.ID, record)
}

// publish waits for the broker's report, whoever has hung up meanwhile.
func (a *api) publish(record *kgo.Record) error {
	reported := make(chan error, 1)
	a.producer.TryProduce(context.Background(), record, func(_ *kgo.Record, err error) { reported <- err })
	err := <-reported
	if kerr.IsRetriable(err) {
		return kgo.ErrRecordTimeout
	}
	return err
}

func accept(w http.ResponseWriter, id order.UUID, record *kgo.Record) {
	text := string(id.Append(make([]byte, 0, 36)))
	position := "orders:" + strconv.Itoa(int(record.Partition)) + "@" + strconv.FormatInt(record.Offset, 10)
	headers := w.Header()
	headers["Order-Position"] = []string{position}
	headers["Location"] = []string{"/v1/orders/" + text}
	headers["Content-Type"] = []string{"application/json"}
	w.WriteHeader(http.StatusAccepted)
	body := make([]byte, 0, 128)
	body = append(body, `{"order_id":"`...)
	body = append(body, text...)
	body = append(body, `","status":"accepted","position":"`...)
	body = append(append(body, position...), `"}`...)
	_, _ = w.Write(body)
}
