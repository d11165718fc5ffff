import type { Detection, Visit } from "../client";

/** Options of an {@link AgentShield}. */
export interface AgentShieldOptions {
  /** The API key; by default the environment variable `AGENTSHIELD_API_KEY`. */
  apiKey?: string;
  /** The pixel that events are sent for. */
  pixelId?: string;
  /** Another project than the key's own, `proj_…`. */
  projectId?: string;
  /** The service, with the path of its API; by default the original's. */
  baseUrl?: string;
  /** Milliseconds to wait for an answer; by default 10000. */
  timeout?: number;
  /** How often a request is sent again after 429, 5xx or no answer; by default 5. */
  retries?: number;
  /** Milliseconds that a detection is remembered; by default 60000, 0 for never. */
  cacheTtl?: number;
  /** How many detections are remembered; by default 10000. */
  cacheEntries?: number;
  /** How many collected events are sent at once, 1 to 100; by default 10. */
  batchSize?: number;
  /** Milliseconds after which fewer are sent; by default 5000. */
  flushInterval?: number;
  /** Told when collected events cannot be sent; by default a process warning. */
  onError?: (error: Error) => void;
}

/** An event of a visitor. */
export interface TrackedEvent {
  event: string;
  url: string;
  /** Seconds since the Unix epoch; now when absent. */
  timestamp?: number;
  metadata?: Record<string, unknown>;
  sessionId?: string;
  userId?: string;
  referrer?: string;
  [more: string]: unknown;
}

/** What became of a batch. */
export interface BatchAnswer {
  success: boolean;
  received: number;
  accepted: number;
  rejected: number;
  errors: { index: number; code: string; message: string; details: Record<string, unknown> }[];
}

/** A page of a list. */
export interface Pagination {
  page: number;
  limit: number;
  total: number;
  hasMore: boolean;
}

/** A project in a list. */
export interface ProjectItem {
  id: string;
  name: string;
  createdAt: string;
  detectionCount: number;
  status: "active" | "inactive";
}

/** A project with its settings and figures. */
export interface Project {
  id: string;
  name: string;
  description: string;
  createdAt: string;
  settings: { detectionEnabled: boolean; blockingEnabled: boolean };
  stats: { totalDetections: number; todayDetections: number; uniqueVisitors: number };
}

/** A recorded detection. */
export interface DetectionItem {
  id: string;
  timestamp: string;
  isBot: boolean;
  confidence: number;
  botType: string;
  userAgent: string;
  ip: string;
  url: string;
}

/** Sums and a time series. */
export interface Analytics {
  period: "hour" | "day" | "week" | "month";
  startDate: string;
  endDate: string;
  summary?: { totalDetections?: number; uniqueBots?: number; averageConfidence?: number };
  timeSeries?: { date: string; detections?: number; bots?: number; humans?: number }[];
  botTypes?: Record<string, number>;
  [more: string]: unknown;
}

type Query = Record<string, string | number | boolean | readonly string[] | undefined>;

/**
 * The AgentShield-compatible API with the habits that its documentation asks of clients: detections are remembered for
 * a minute, events are collected and sent in batches, and a request that meets 429, 5xx or no answer is sent again,
 * later each time and not before a `Retry-After`, unless that is longer than half a minute. Events carry an id, so that
 * one sent twice is stored once.
 */
export class AgentShield {
  constructor(options?: AgentShieldOptions);

  /** What a request looks like; the answer for the same user agent, address and headers may be remembered. */
  detect(visit: Visit): Promise<Detection>;

  /** Sends an event at once and resolves with the service's answer. */
  event(event: TrackedEvent, options: { wait: true }): Promise<{ success: boolean; eventId: string }>;
  /** Collects an event for the next batch. */
  event(event: TrackedEvent, options?: { wait?: false }): Promise<void>;

  /** Sends 1 to 100 events in one request. */
  batch(events: readonly TrackedEvent[]): Promise<BatchAnswer>;

  /** Sends the collected events now; after a failure they stay collected. */
  flush(): Promise<void>;

  /** Sends the collected events, with one try, and stops collecting. */
  close(): Promise<void>;

  /** The projects that the key may see. */
  readonly projects: {
    list(query?: { page?: number; limit?: number; search?: string }): Promise<{
      projects: ProjectItem[];
      pagination: Pagination;
    }>;
    get(id: string): Promise<Project>;
    detections(id: string, query?: Query): Promise<{ detections: DetectionItem[]; pagination: Pagination }>;
    analytics(id: string, query?: Query): Promise<Analytics>;
  };
}
