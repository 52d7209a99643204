/** Learn: a tour of five steps on the embedded models, each computed while one looks. */
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { address, addressOf, go } from '../state/address.js'
import { Introduction } from './learn/introduction.js'
import { StepView } from './learn/step-view.js'
import { STEPS, type Tour, toStep, tourOf, tourParams } from './learn/steps.js'

export function Learn() {
  const tour = useMemo(() => tourOf(address.value.params), [address.value.params.toString()])
  const step = STEPS[tour.step - 1]
  const heading = useRef<HTMLHeadingElement>(null)
  const shown = useRef(tour.step)
  // Whoever went to another step reads it from its beginning.
  useEffect(() => {
    if (shown.current === tour.step) return
    shown.current = tour.step
    scrollTo({ top: 0 })
    heading.current?.focus({ preventScroll: true })
  }, [tour.step])
  return (
    <div class="learn">
      <StepList tour={tour} />
      <h1 ref={heading} tabIndex={-1}>
        {step ? (
          <>
            <span class="learn-number">
              Step {tour.step} of {STEPS.length}
            </span>{' '}
            {step.title}
          </>
        ) : (
          <>
            <span class="learn-number">A tour of {STEPS.length} steps</span> Where do facts flow?
          </>
        )}
      </h1>
      {step ? (
        <StepView
          key={tour.step}
          step={step}
          tour={tour}
          onChange={(changes) => go('learn', tourParams({ ...tour, ...changes }))}
        />
      ) : (
        <Introduction tour={tour} />
      )}
      <Onward tour={tour} />
    </div>
  )
}

function hrefOf(tour: Tour): string {
  return addressOf('learn', tourParams(tour))
}

function StepList({ tour }: { tour: Tour }) {
  return (
    <nav class="learn-steps" aria-label="Steps of the tour">
      <a href={hrefOf(toStep(tour, 0))} aria-current={tour.step === 0 ? 'step' : undefined}>
        Start
      </a>
      <ol>
        {STEPS.map(({ name, title }, i) => (
          <li key={name}>
            <a
              href={hrefOf(toStep(tour, i + 1))}
              aria-current={tour.step === i + 1 ? 'step' : undefined}
              title={title}
            >
              <b>{i + 1}</b> <span>{name}</span>
            </a>
          </li>
        ))}
      </ol>
    </nav>
  )
}

/** The way to the next step, by a guess of what it will show or without one. */
function Onward({ tour }: { tour: Tour }) {
  const next = STEPS[tour.step]
  return (
    <section class="panel learn-onward" aria-label="Go on">
      {next ? (
        <div class="learn-guess">
          <p>
            <b>Before you go on.</b> {next.guess.question}
          </p>
          <div class="learn-options">
            {next.guess.options.map(({ value, label }) => (
              <a key={value} class="button" href={hrefOf(toStep(tour, tour.step + 1, value))}>
                {label}
              </a>
            ))}
          </div>
        </div>
      ) : (
        <div class="learn-guess">
          <p>
            <b>That was the tour.</b> Now ask about a fact of your own, in these models or larger ones.
          </p>
          <div class="learn-options">
            <a class="button is-primary" href={addressOf('explore')}>
              Explore a fact
            </a>
            <a class="button" href={addressOf('cut')}>
              Cut by hand
            </a>
          </div>
        </div>
      )}
      <div class="learn-moves">
        {tour.step > 0 && (
          <a class="button" rel="prev" href={hrefOf(toStep(tour, tour.step - 1))}>
            <span aria-hidden="true">←</span>&nbsp;Back
          </a>
        )}
        {next && (
          <a class="button is-primary" rel="next" href={hrefOf(toStep(tour, tour.step + 1))}>
            {tour.step === 0 ? 'Begin' : 'Next'}&nbsp;<span aria-hidden="true">→</span>
          </a>
        )}
      </div>
    </section>
  )
}
