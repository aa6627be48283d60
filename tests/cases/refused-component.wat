;; Refused: a component.
(component)
