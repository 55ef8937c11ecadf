package order

import (
	"encoding/json/v2"
	"fmt"
	"io"
	"net/http"
	"time"
)

// SchemaID asks the registry for the id of a subject's latest schema.
func SchemaID(registry, subject string) (uint32, error) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(registry + "/subjects/" + subject + "/versions/latest")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var version struct {
		ID uint32 `json:"id"`
	}
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the registry answers %d for %s", answer.StatusCode, subject)
	}
	return version.ID, json.UnmarshalRead(io.LimitReader(answer.Body, 1<<20), &version)
}
