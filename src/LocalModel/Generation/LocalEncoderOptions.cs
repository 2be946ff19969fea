using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Devices;

namespace Kotonoha.LocalModel.Generation;

/// <summary>How an encoder is loaded and run. Everything has a default.</summary>
public sealed record LocalEncoderOptions
{
    /// <summary>The threads that compute; null for the environment variable <c>KOTONOHA_THREADS</c>, or otherwise one per core.</summary>
    public int? Threads { get; init; }

    /// <summary>
    /// The tokens of the longest text, special tokens included, at most the model's own; null for what the model's files say.
    /// </summary>
    public int? MaximumTokens { get; init; }

    /// <summary>
    /// The requests that may wait for their turn; one more is refused with a <see cref="QueueFullException"/>. Default 64.
    /// </summary>
    public int QueueLength { get; init; } = LocalGptOptions.DefaultQueueLength;

    /// <summary>Where the model computes; null for <see cref="Device.Cpu"/>.</summary>
    public Device? Device { get; init; }

    /// <summary>How tokens become a vector, instead of what the model's files say; several are put side by side.</summary>
    public IReadOnlyList<TokenPooling>? Pooling { get; init; }

    /// <summary>The model's name in answers and telemetry; null for the folder's name.</summary>
    public string? ModelId { get; init; }

    /// <summary>
    /// Called once when the model is ready, before it is handed out: the place to log <see cref="LocalEncoder.Description"/> and
    /// <see cref="LocalEncoder.Remarks"/>.
    /// </summary>
    public Action<LocalEncoder>? OnLoaded { get; init; }
}
