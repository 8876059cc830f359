// The queue worker: jobs are its requests. None is lost or has its effect twice, whoever works when a job comes.
import { join } from "node:path";
import { buildWorkerTree, workerBundle, workerContract } from "../../../support/python-worker.ts";
import { type RabbitMq, withRabbitMq } from "../../../support/with-rabbitmq.ts";
import { spawnJobsMeter } from "../jobs-meter.ts";
import type { Place, Row } from "../row.ts";

const brokers = new WeakMap<Place, RabbitMq>();

function brokerOf(place: Place): RabbitMq {
  const broker = brokers.get(place);
  if (broker === undefined) throw new Error("the broker is there only while the row runs");
  return broker;
}

const workerOf = (place: Place) => ({
  broker: brokerOf(place),
  statusPort: place.ports[0],
  state: join(place.directory, "worker"),
});

export const rows: readonly Row[] = [
  {
    name: "python-worker-restart",
    of: "skeletons/python-worker",
    strategy: "restart",
    manager: "process",
    lab: "loopback",
    grade: "request-safe",
    bundle: workerBundle,
    contract: (place) => workerContract(workerOf(place)),
    traffic: () => [],
    meter: (place, rate) => spawnJobsMeter({ ...workerOf(place), perSecond: 40 * rate, workMs: 60 }),
    build: ({ version, directory, place }) => buildWorkerTree(directory, version, brokerOf(place)),
    around: (place, body) =>
      withRabbitMq(async (broker) => {
        brokers.set(place, broker);
        return body();
      }),
  },
];
