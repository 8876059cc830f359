// Times every method of a port by standing in its place.
import { type CallTimes, durationsOf } from "../../model/profile.ts";

export interface CallTimer {
  /** The same port, each call timed under `name.method`. */
  readonly timed: <P extends object>(name: string, port: P) => P;
  /** The most time first. */
  times(): CallTimes[];
}

interface Sample {
  readonly milliseconds: number[];
  errors: number;
}

export function makeCallTimer(now: () => number = () => performance.now()): CallTimer {
  const samples = new Map<string, Sample>();
  const begin = (call: string) => {
    const sample = samples.get(call) ?? { milliseconds: [], errors: 0 };
    samples.set(call, sample);
    const began = now();
    return (failed: boolean) => {
      sample.milliseconds.push(now() - began);
      if (failed) sample.errors += 1;
    };
  };
  const timed = <P extends object>(name: string, port: P): P => {
    const methods = Object.entries(port).map(([method, value]) => [
      method,
      typeof value === "function" ? timedCall(value as Method, () => begin(`${name}.${method}`)) : value,
    ]);
    return Object.fromEntries(methods) as P;
  };
  return {
    timed,
    times: () =>
      [...samples]
        .map(([call, { milliseconds, errors }]) => ({ call, ...durationsOf(milliseconds), errors }))
        .filter(({ count }) => count > 0)
        .sort((a, b) => b.totalMs - a.totalMs),
  };
}

type Method = (...args: readonly unknown[]) => unknown;

function timedCall(method: Method, begin: () => (failed: boolean) => void): Method {
  return (...args) => {
    const end = begin();
    try {
      const answer = method(...args);
      if (answer instanceof Promise) {
        answer.then(
          () => end(false),
          () => end(true),
        );
        return answer;
      }
      if (isAsyncIterable(answer)) return timedStream(answer, end);
      end(false);
      return answer;
    } catch (error) {
      end(true);
      throw error;
    }
  };
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

/** From the call to the last element, or until the reader leaves. */
async function* timedStream(stream: AsyncIterable<unknown>, end: (failed: boolean) => void) {
  let failed = false;
  try {
    yield* stream;
  } catch (error) {
    failed = true;
    throw error;
  } finally {
    end(failed);
  }
}
