package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"
)

// Verdict is what the server says of a request.
type Verdict struct {
	IsBot      bool    `json:"isBot"`
	Confidence float64 `json:"confidence"`
	BotType    string  `json:"botType"`
	Extended   struct {
		Agent *struct {
			Name string `json:"name"`
		} `json:"agent"`
	} `json:"extended"`
}

// AgentName is the name under which the agent is catalogued; empty for others.
func (v Verdict) AgentName() string {
	if v.Extended.Agent == nil {
		return ""
	}
	return v.Extended.Agent.Name
}

// Guard asks a Quivive server about each request.
type Guard struct {
	// Server is its address, such as http://127.0.0.1:8080.
	Server string
	// Key is an API key of the project.
	Key string
	// Blocked are the names of the agents that are kept out.
	Blocked []string
}

type verdictKey struct{}

// VerdictOf gives what was found out about a request; nothing where the server was silent.
func VerdictOf(request *http.Request) *Verdict {
	verdict, _ := request.Context().Value(verdictKey{}).(*Verdict)
	return verdict
}

// Handler lets requests through to next, all but those of blocked agents. When the server is silent everybody is let
// through.
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		verdict, err := g.detect(request)
		if err != nil {
			log.Printf("quivive: %v", err)
			next.ServeHTTP(writer, request)
			return
		}
		for _, name := range g.Blocked {
			if verdict.AgentName() == name {
				writeJSON(writer, http.StatusForbidden, map[string]string{"error": "POLICY_BLOCKED", "agent": name})
				return
			}
		}
		ctx := context.WithValue(request.Context(), verdictKey{}, verdict)
		next.ServeHTTP(writer, request.WithContext(ctx))
	})
}

// One client for all: it keeps its connections. It follows no redirection, so that the key goes nowhere else.
var client = http.Client{
	Timeout: 250 * time.Millisecond,
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	},
}

func (g *Guard) detect(request *http.Request) (*Verdict, error) {
	body, err := json.Marshal(facts(request))
	if err != nil {
		return nil, err
	}
	url := g.Server + "/api/v1/detect?include=agent"
	question, err := http.NewRequestWithContext(request.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	question.Header.Set("Content-Type", "application/json")
	question.Header.Set("X-AgentShield-Key", g.Key)
	answer, err := client.Do(question)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %d: %s", answer.StatusCode, text)
	}
	var verdict Verdict
	if err := json.Unmarshal(text, &verdict); err != nil {
		return nil, err
	}
	return &verdict, nil
}

// What detection looks at. Cookies and credentials stay here; what is too long for the server is left out.
var headers = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "From", "Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform",
	"Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Signature", "Signature-Agent", "Signature-Input",
	"User-Agent",
}

const longestHeader = 8192

func facts(request *http.Request) map[string]any {
	seen := map[string]string{"host": request.Host}
	for _, name := range headers {
		if value := strings.Join(request.Header.Values(name), ", "); value != "" && len(value) <= longestHeader {
			seen[strings.ToLower(name)] = value
		}
	}
	// Behind a proxy of your own this is the proxy's address: take the one that it reports.
	address, _, err := net.SplitHostPort(request.RemoteAddr)
	if err != nil {
		address = request.RemoteAddr
	}
	return map[string]any{"ip": address, "headers": seen, "method": request.Method}
}

func writeJSON(writer http.ResponseWriter, status int, body any) {
	writer.Header().Set("Content-Type", "application/json")
	writer.WriteHeader(status)
	if err := json.NewEncoder(writer).Encode(body); err != nil {
		log.Print(err)
	}
}
