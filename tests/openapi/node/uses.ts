// Uses the types that openapi-typescript generates, with openapi-fetch; URL and key are arguments.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./darkroom.js";

type Job = components["schemas"]["Job"];

const [, , baseUrl = "", key = ""] = process.argv;
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const small = { width: 64, height: 64, steps: 1 };
const params = { header: { Prefer: "respond-async" } };

async function waitsForAnImage(): Promise<void> {
  // The GPU is off: the wait leads through redirects, which fetch follows.
  const made = await client.POST("/api/images/generate", {
    params: { query: { wait: 60 } },
    body: { prompt: "a lighthouse", ...small },
  });
  assert.ok(made.data && "image_url" in made.data, JSON.stringify(made.error ?? made.data));
  assert.equal(made.data.metadata.width, 64);
}

async function pollsAJob(): Promise<void> {
  const made = await client.POST("/api/images/generate", {
    params,
    body: { prompt: "a fox", ...small },
  });
  assert.ok(made.data && "finished_at" in made.data);
  let job: Job = made.data;
  for (let look = 0; job.finished_at === null && look < 300; look += 1) {
    await pause(200);
    const found = await client.GET("/api/images/jobs/{job_id}", {
      params: { path: { job_id: job.id } },
    });
    assert.ok(found.data);
    job = found.data;
  }
  assert.equal(job.status, "succeeded");
  assert.equal(job.image_urls.length, 1);
}

async function listsStylesByPages(): Promise<void> {
  const ids = new Set<number>();
  let cursor: string | undefined;
  for (let page = 0; page < 3; page += 1) {
    const query = cursor === undefined ? { limit: 2 } : { limit: 2, cursor };
    const found = await client.GET("/api/images/styles", { params: { query } });
    assert.ok(found.data);
    for (const style of found.data) ids.add(style.id);
    const link = found.response.headers.get("Link") ?? "";
    cursor = new URL(link.slice(1, link.indexOf(">"))).searchParams.get("cursor") ?? undefined;
  }
  assert.equal(ids.size, 6);
}

async function cancelsAJob(): Promise<void> {
  const made = await client.POST("/api/v1/posts/{post_id}/generate_images", {
    params: { ...params, path: { post_id: "42" } },
    body: { prompt: "a harbor", count: 2, ...small },
  });
  assert.ok(made.data && "jobs" in made.data);
  // The second image waits for the first one.
  const canceled = await client.POST("/api/images/jobs/{job_id}/cancel", {
    params: { path: { job_id: made.data.jobs[1]?.id ?? "" } },
  });
  assert.equal(canceled.data?.status, "canceled");
}

async function readsAnError(): Promise<void> {
  const refused = await client.POST("/api/images/generate", {
    body: { prompt: "a fox", width: 7 },
  });
  assert.equal(refused.error?.status, "error");
  assert.equal(refused.error.details.field, "width");
}

for (const use of [waitsForAnImage, pollsAJob, listsStylesByPages, cancelsAJob, readsAnError]) {
  await use();
  console.log(use.name);
}
