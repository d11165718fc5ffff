# frozen_string_literal: true

require "json"
require "net/http"
require "timeout"
require "uri"

# Rack middleware that asks a Quivive server about each request. Nothing but the standard library.
#
# What was found out is in `env["quivive"]`. When the server is silent everybody is let through.
class Guard
  # What detection looks at. Cookies and credentials stay here.
  SHORT = %w[
    accept accept-encoding accept-language from host sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest
    sec-fetch-mode sec-fetch-site
  ].freeze
  LONG = %w[signature signature-agent signature-input user-agent].freeze
  SECONDS = 0.25

  # `server` is its address, `key` an API key of the project, `blocked` the names of agents that are kept out, and
  # `except` are paths that are not looked at.
  def initialize(app, server:, key:, blocked: [], except: [])
    @app = app
    @question = URI("#{server}/api/v1/detect?include=agent")
    @key = key
    @blocked = blocked
    @except = except
    @idle = Queue.new
  end

  def call(env)
    return @app.call(env) if @except.include?(env["PATH_INFO"])

    verdict = env["quivive"] = detect(env)
    agent = verdict&.dig("extended", "agent", "name")
    return @app.call(env) unless @blocked.include?(agent)

    body = JSON.generate(error: "POLICY_BLOCKED", agent: agent)
    [403, { "content-type" => "application/json" }, [body]]
  end

  private

  def detect(env)
    answer = ask(question(env))
    raise "the server answered #{answer.code}: #{answer.body}" unless answer.is_a?(Net::HTTPOK)

    JSON.parse(answer.body)
  rescue StandardError => e
    env["rack.errors"]&.puts("quivive: #{e.message}")
    nil
  end

  # The connection is kept for the next question, unless this one failed.
  def ask(question)
    connection = nil
    answer = Timeout.timeout(SECONDS) { (connection = idle || connect).request(question) }
    @idle << connection
    answer
  rescue StandardError
    connection&.finish
    raise
  end

  def idle
    @idle.pop(true)
  rescue ThreadError
    nil
  end

  def connect
    Net::HTTP.start(@question.host, @question.port, use_ssl: @question.scheme == "https")
  end

  def question(env)
    question = Net::HTTP::Post.new(@question, "Content-Type" => "application/json", "X-AgentShield-Key" => @key)
    question.body = JSON.generate(facts(env))
    question
  end

  # Behind a proxy of your own `REMOTE_ADDR` is the proxy's address: take the one that it reports.
  def facts(env)
    {
      ip: env["REMOTE_ADDR"]&.slice(/\A[\h.:]+/),
      headers: { **texts(env, SHORT, 1024), **texts(env, LONG, 2048) },
      method: env["REQUEST_METHOD"].b[/\A[A-Z-]{1,16}\z/i]
    }.compact
  end

  # The headers of these names. One that is longer as JSON is left out, so that all stay below the server's 64 KiB.
  def texts(env, names, longest)
    texts = names.to_h { |name| [name, env["HTTP_#{name.upcase.tr('-', '_')}"]&.dup&.force_encoding("UTF-8")&.scrub] }
    texts.select { |_, text| text && JSON.generate(text).bytesize <= longest }
  end
end
