package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"
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
	Timeout:   250 * time.Millisecond,
	Transport: transport(),
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	},
}

// Keeps a hundred connections to the server for the next visitors; by default it would be two.
func transport() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 100
	return transport
}

func (g *Guard) detect(request *http.Request) (*Verdict, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(facts(request)); err != nil {
		return nil, err
	}
	url := g.Server + "/api/v1/detect?include=agent"
	question, err := http.NewRequestWithContext(request.Context(), http.MethodPost, url, &body)
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

// Bytes of a header that the server is told; a longer one is left out. All of them stay below the server's 64 KiB.
const short, long = 1 << 10, 2 << 10

// What detection looks at. Cookies and credentials stay here.
var headers = map[string]int{
	"Accept": short, "Accept-Encoding": short, "Accept-Language": short, "From": short,
	"Sec-Ch-Ua": short, "Sec-Ch-Ua-Mobile": short, "Sec-Ch-Ua-Platform": short,
	"Sec-Fetch-Dest": short, "Sec-Fetch-Mode": short, "Sec-Fetch-Site": short,
	"Signature": long, "Signature-Agent": long, "Signature-Input": long, "User-Agent": long,
}

func facts(request *http.Request) map[string]any {
	seen := map[string]string{}
	if len(request.Host) <= short {
		seen["host"] = request.Host
	}
	for name, longest := range headers {
		value := strings.ToValidUTF8(strings.Join(request.Header.Values(name), ", "), "\uFFFD")
		if value != "" && len(value) <= longest {
			seen[strings.ToLower(name)] = value
		}
	}
	known := map[string]any{"headers": seen}
	if len(request.Method) <= 16 {
		known["method"] = request.Method
	}
	// Behind a proxy of your own this is the proxy's address: take the one that it reports.
	if peer, err := netip.ParseAddrPort(request.RemoteAddr); err == nil {
		known["ip"] = peer.Addr().WithZone("").String()
	}
	return known
}

func writeJSON(writer http.ResponseWriter, status int, body any) {
	writer.Header().Set("Content-Type", "application/json")
	writer.WriteHeader(status)
	if err := json.NewEncoder(writer).Encode(body); err != nil {
		log.Print(err)
	}
}
