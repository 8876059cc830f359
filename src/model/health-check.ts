// Health checks: what a host tries on itself after a switch, before anybody confirms.
import { z } from "zod";
import { CheckAddress, CheckUrl, TaskName, UnitName } from "./contract-values.ts";

const withinSeconds = z.int().min(1).max(3600).default(60).describe("Time until the check counts as failed");

export const HttpCheck = z
  .strictObject({
    kind: z.literal("http"),
    url: CheckUrl.describe("Fetched on the host itself, so it may be a loopback address"),
    samples: z.int().min(1).max(1000).default(1).describe("How many times it is fetched"),
    maxFailures: z
      .int()
      .min(0)
      .max(999)
      .default(0)
      .describe("Failed samples that are still healthy; one more and it stops early"),
    intervalMs: z.int().min(0).max(60_000).default(100).describe("Pause between samples"),
    withinSeconds: withinSeconds.describe(
      "Time for all samples. Nobody answering yet is waited for; an answer other than 2xx counts at once, so a service answers when it is warm",
    ),
  })
  .meta({ id: "HttpCheck", description: "Passes when the URL answers 2xx" });

export const TcpCheck = z
  .strictObject({
    kind: z.literal("tcp"),
    address: CheckAddress.default("self"),
    port: z.int().min(1).max(65_535),
    withinSeconds,
  })
  .meta({ id: "TcpCheck", description: "Passes when the port accepts a connection" });

export const UnitCheck = z
  .strictObject({ kind: z.literal("unit"), unit: UnitName, withinSeconds })
  .meta({ id: "UnitCheck", description: "Passes when systemd says that the unit is active" });

export const ExecutableCheck = z
  .strictObject({
    kind: z.literal("executable"),
    task: TaskName.describe("A task of this component; its `do` is run"),
    withinSeconds,
  })
  .meta({ id: "ExecutableCheck", description: "Passes when the task exits 0" });

export const HealthCheck = z
  .discriminatedUnion("kind", [HttpCheck, TcpCheck, UnitCheck, ExecutableCheck])
  .meta({ id: "HealthCheck", description: "All checks of a component must pass, in order" });
export type HealthCheck = z.infer<typeof HealthCheck>;
