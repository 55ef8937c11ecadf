// Package order is what a peer must do to an order to have done the same work as producer-api: the
// same checks, the same ids, the same bytes, the same headers. It talks to nobody.
package order

import (
	"encoding/json/v2"
	"errors"
)

// The limits of events-schema/src/limits.rs.
const (
	BodyBytesMax       = 256 * 1024
	identifierCharsMax = 64
	keyCharsMax        = 128
	nameCharsMax       = 100
	emailCharsMax      = 254
	emailLocalCharsMax = 64
	labelCharsMax      = 63
	linesMax           = 500
	quantityMax        = 1_000_000
	jsonIntegerMax     = 1<<53 - 1
)

// Line is what is ordered.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// Contact is whom to write to.
type Contact struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Request is a checked order. A member that is missing is empty, which no check lets pass.
type Request struct {
	CustomerID string  `json:"customer_id"`
	Lines      []Line  `json:"lines"`
	Contact    Contact `json:"contact"`
	Locale     *string `json:"locale"`
}

// Errors that the client hears with the status beside them.
var (
	ErrMalformed = errors.New("malformed-json")
	ErrInvalid   = errors.New("invalid-body")
)

// Parse reads a body, refuses what it does not know, and checks every value.
func Parse(body []byte) (*Request, error) {
	request := &Request{}
	if err := json.Unmarshal(body, request, json.RejectUnknownMembers(true)); err != nil {
		var semantic *json.SemanticError
		if errors.As(err, &semantic) {
			return nil, ErrInvalid
		}
		return nil, ErrMalformed
	}
	if !request.isValid() {
		return nil, ErrInvalid
	}
	return request, nil
}

func (r *Request) isValid() bool {
	if !isIdentifier(r.CustomerID) || len(r.Lines) < 1 || len(r.Lines) > linesMax {
		return false
	}
	for _, line := range r.Lines {
		if !isIdentifier(line.SKU) || line.Quantity < 1 || line.Quantity > quantityMax {
			return false
		}
	}
	if r.Locale != nil && *r.Locale != "en" && *r.Locale != "he" {
		return false
	}
	return isReadable(r.Contact.Name, nameCharsMax) && isEmail(r.Contact.Email)
}

// Tag is the language of the mails.
func (r *Request) Tag() string {
	if r.Locale == nil {
		return "en"
	}
	return *r.Locale
}

// IsKey says whether a text can be an Idempotency-Key.
func IsKey(text string) bool {
	if len(text) < 1 || len(text) > keyCharsMax {
		return false
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

func isIdentifier(text string) bool {
	if len(text) < 1 || len(text) > identifierCharsMax {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if !isAlphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
