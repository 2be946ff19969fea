namespace Kotonoha.LocalModel.Tensors;

/// <summary>Runs models forward on a device: prefill, decoding, scoring, embedding. Not thread-safe.</summary>
internal abstract class InferenceSession : IDisposable
{
    /// <summary>The device, for logs: its name, what it computes with, how precisely.</summary>
    public abstract string Description { get; }

    /// <summary>The memory of the device that the session's passes, weights and caches hold, in bytes.</summary>
    public abstract long MemoryBytes { get; }

    /// <summary>Brings weights to the device, where that is another place than the host's memory.</summary>
    /// <param name="parameters">The weights.</param>
    /// <returns>What is not done as the checkpoint says, one sentence each; most often empty.</returns>
    public virtual IReadOnlyList<string> Load(IReadOnlyList<Parameter> parameters) => [];

    /// <summary>Starts the session's pass anew: every tensor made before becomes invalid.</summary>
    /// <param name="cancellationToken">Looked at between layers.</param>
    public abstract Pass Begin(CancellationToken cancellationToken = default);

    /// <summary>A typed error in place of the device's own, where it has run out of memory; null otherwise.</summary>
    /// <param name="exception">What an operation threw.</param>
    public virtual Exception? Explain(Exception exception) => null;

    /// <summary>Reserves a key/value cache.</summary>
    /// <param name="shape">What the model keeps of each token.</param>
    /// <param name="capacityTokens">The tokens of all sequences together.</param>
    public abstract KvCache CreateCache(KvShape shape, int capacityTokens);

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>
/// Trains parameters on a device. It owns their gradients, the optimiser's moments and, where the device has memory of its own, the
/// weights: those on the host are as old as the last <see cref="Download"/>. Not thread-safe.
/// </summary>
internal abstract class TrainingSession : IDisposable
{
    private protected TrainingSession(IReadOnlyList<Parameter> parameters) => Parameters = parameters;

    /// <summary>The parameters that are trained; others get no gradient.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Runs the model forward with the weights as they are now.</summary>
    public abstract InferenceSession Evaluation { get; }

    /// <summary>Starts the pass anew: every tensor made before becomes invalid.</summary>
    /// <param name="step">The training step; the same step draws the same random numbers.</param>
    /// <param name="microBatch">The part of the step, where gradients are accumulated over several.</param>
    public abstract Pass Begin(long step, int microBatch = 0);

    /// <summary>
    /// Adds the derivative of a loss of the pass to the gradients. After that only the loss can be read; the pass's other tensors may be
    /// gone.
    /// </summary>
    /// <param name="loss">A (1, 1) tensor.</param>
    /// <param name="factor">What the loss is multiplied by.</param>
    public abstract void Backward(Tensor loss, float factor = 1);

    /// <summary>Sets every gradient to zero.</summary>
    public abstract void ZeroGradients();

    /// <summary>The L2 norm over all gradients.</summary>
    public abstract double GradientNorm();

    /// <summary>One AdamW step of every parameter.</summary>
    /// <param name="matrices">The factors of tensors of two and more dimensions, which decay.</param>
    /// <param name="vectors">The factors of the others.</param>
    public abstract void Update(in AdamWFactors matrices, in AdamWFactors vectors);

    /// <summary>One AdamW step of one parameter.</summary>
    /// <param name="index">Its place in <see cref="Parameters"/>.</param>
    /// <param name="factors">The factors.</param>
    public abstract void Update(int index, in AdamWFactors factors);

    /// <summary>
    /// Lets the host read and change the weights, parameter by parameter in their order, with the gradients beside them. Where the device
    /// has memory of its own, all goes there and back: for optimisers that it does not compute itself.
    /// </summary>
    /// <param name="visit">Told of each parameter.</param>
    public abstract void OnHost(HostVisit visit);

    /// <summary>Reads a gradient.</summary>
    /// <param name="parameter">One that is trained.</param>
    /// <param name="destination">Receives the elements, row after row.</param>
    /// <exception cref="KeyNotFoundException">The parameter is not trained.</exception>
    public abstract void ReadGradient(Parameter parameter, Span<float> destination);

    /// <summary>Reads the optimiser's moment of a parameter.</summary>
    public abstract void ReadMoment(Parameter parameter, Moments moment, Span<float> destination);

    /// <summary>Replaces the optimiser's moment of a parameter.</summary>
    public abstract void WriteMoment(Parameter parameter, Moments moment, ReadOnlySpan<float> values);

    /// <summary>A typed error in place of the device's own, where it has run out of memory; null otherwise.</summary>
    /// <param name="exception">What an operation threw.</param>
    public virtual Exception? Explain(Exception exception) => null;

    /// <summary>Copies the weights to the host, before a checkpoint, a merge or an export.</summary>
    public virtual void Download()
    {
    }

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>What the host does with a parameter.</summary>
/// <param name="parameter">The parameter.</param>
/// <param name="weights">Its weights; may be changed.</param>
/// <param name="gradient">Its gradient; what is written here is gone with the next step.</param>
internal delegate void HostVisit(Parameter parameter, Span<float> weights, Span<float> gradient);

/// <summary>The running means that AdamW keeps of each gradient.</summary>
internal enum Moments
{
    /// <summary>Of the gradient.</summary>
    First,

    /// <summary>Of its square.</summary>
    Second,
}
