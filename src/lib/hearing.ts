/** Lets somebody hear what a service answers, without the service knowing of them. */
type Listeners<Service> = {
  readonly [Name in keyof Service]?: Service[Name] extends (
    ...parts: never[]
  ) => Promise<infer Answer>
    ? (answer: Answer) => void
    : never;
};

/** The same service; some of its calls tell a listener their answer. Faults are told to nobody. */
export function hearing<Service extends object>(
  service: Service,
  listeners: Listeners<Service>,
): Service {
  const heard = Object.entries(listeners).map(([name, listen]) => {
    const call = service[name as keyof Service] as (...parts: unknown[]) => Promise<unknown>;
    const calling = async (...parts: unknown[]): Promise<unknown> => {
      const answer = await call(...parts);
      (listen as (answer: unknown) => void)(answer);
      return answer;
    };
    return [name, calling];
  });
  return { ...service, ...Object.fromEntries(heard) };
}
