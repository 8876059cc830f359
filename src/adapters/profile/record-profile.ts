// Samples this process while it works: stacks (node:inspector), event loop, CPU, memory, and calls of timed ports.
import { Session } from "node:inspector/promises";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { CallTimes, CpuProfile, ProcessTimes } from "../../model/profile.ts";
import { makeCallTimer } from "./time-calls.ts";

export interface RecordedProfile {
  readonly process: ProcessTimes;
  readonly calls: readonly CallTimes[];
  readonly cpuProfile: CpuProfile;
}

export interface ProfileRecorder {
  /** The port with its calls timed. */
  readonly timed: <P extends object>(name: string, port: P) => P;
  /** Ends the recording. Call it once. */
  stop(): Promise<RecordedProfile>;
}

const sampleEveryMicroseconds = 1_000;
const loopResolutionMs = 10;

export async function startProfile(): Promise<ProfileRecorder> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: sampleEveryMicroseconds });
  const calls = makeCallTimer();
  const delay = monitorEventLoopDelay({ resolution: loopResolutionMs });
  delay.enable();
  const began = { at: performance.now(), cpu: process.cpuUsage(), loop: performance.eventLoopUtilization() };
  await session.post("Profiler.start");
  return {
    timed: calls.timed,
    async stop() {
      const { profile } = await session.post("Profiler.stop");
      session.disconnect();
      delay.disable();
      const cpu = process.cpuUsage(began.cpu);
      const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - loopResolutionMs);
      return {
        process: {
          wallMs: performance.now() - began.at,
          cpuUserMs: cpu.user / 1_000,
          cpuSystemMs: cpu.system / 1_000,
          peakRssBytes: process.resourceUsage().maxRSS * 1_024,
          eventLoop: {
            utilization: performance.eventLoopUtilization(began.loop).utilization,
            delayMs: { p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), max: late(delay.max) },
          },
        },
        calls: calls.times(),
        cpuProfile: profile,
      };
    },
  };
}
