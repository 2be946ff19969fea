using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Devices;

namespace Kotonoha.LocalModel.Generation;

/// <summary>How a model is loaded and run. Everything has a default.</summary>
public sealed record LocalGptOptions
{
    /// <summary>The requests that may wait when <see cref="QueueLength"/> is not set.</summary>
    public const int DefaultQueueLength = 64;

    /// <summary>The default of <see cref="DefaultMaxOutputTokens"/>.</summary>
    public const int StandardMaxOutputTokens = 1024;

    /// <summary>The threads that compute; null for the environment variable <c>KOTONOHA_THREADS</c>, or otherwise one per core.</summary>
    public int? Threads { get; init; }

    /// <summary>
    /// The tokens of the longest sequence, at most the model's own; null for the model's own, or as many as fit into a cache of 1 GiB or of
    /// <see cref="CacheBytes"/> (but at least 4,096) where that is less; <see cref="LocalGpt.Remarks"/> says so then.
    /// </summary>
    public int? ContextLength { get; init; }

    /// <summary>
    /// Whether activations and sums stay in single precision for quantised weights too; by default activations are rounded to 8 bits for
    /// such products, which is several times faster. Makes no difference to other weights.
    /// </summary>
    public bool Exact { get; init; }

    /// <summary>The folder of a LoRA or DoRA adapter in PEFT's layout; null for none.</summary>
    public string? Adapter { get; init; }

    /// <summary>
    /// Whether the adapter is added to the weights, which saves its products at each token; by default it stays active beside them.
    /// </summary>
    public bool MergeAdapter { get; init; }

    /// <summary>
    /// The requests that may wait for their turn; one more is refused with a <see cref="QueueFullException"/>. Default 64.
    /// </summary>
    public int QueueLength { get; init; } = DefaultQueueLength;

    /// <summary>
    /// The tokens of the key/value cache that all running sequences share, at least one context; null for what
    /// <see cref="CacheBytes"/> says. Sequences take its memory as they grow: where it runs out, the youngest ones pause until older ones
    /// have ended, and are then read again. With <see cref="PrefixReuse"/> it fills up over time, since ended sequences stay until their
    /// room is needed.
    /// </summary>
    public int? CacheTokens { get; init; }

    /// <summary>
    /// The bytes of the key/value cache in single precision, where <see cref="CacheTokens"/> is not set; it has one context at least. Null
    /// for 16 full contexts, 1 GiB or an eighth of the memory, whichever is least.
    /// </summary>
    public long? CacheBytes { get; init; }

    /// <summary>
    /// Whether a prompt that begins as an earlier one did (the next turn of a chat, many samples of one prompt, the same examples, a tool
    /// loop) computes only what is new: keys and values of sequences that have ended stay in the cache while there is room, the least
    /// recently used leave first, and requests that run at the same time share what they have in common. Results are the same to the bit.
    /// Privacy: the time to the first token (and the usage) can tell a caller that somebody asked something that begins alike; where
    /// callers must not learn that of each other, turn it off. Default true.
    /// </summary>
    public bool PrefixReuse { get; init; } = true;

    /// <summary>Where the model computes; null for <see cref="Device.Cpu"/>.</summary>
    public Device? Device { get; init; }

    /// <summary>The chat template to use instead of the checkpoint's.</summary>
    public ChatTemplate? ChatTemplate { get; init; }

    /// <summary>The settings for requests that bring none, instead of the checkpoint's.</summary>
    public SamplingOptions? DefaultSampling { get; init; }

    /// <summary>
    /// The most tokens of an answer to a chat request that does not say how many; null for no limit but the end of the context. A model
    /// that never chooses its end token would otherwise write for minutes. Default 1,024.
    /// </summary>
    public int? DefaultMaxOutputTokens { get; init; } = StandardMaxOutputTokens;

    /// <summary>
    /// Whether a chat request with a setting that is not known is refused. By default such a setting is left out, and a warning is logged
    /// once: applications bring settings that were meant for other models.
    /// </summary>
    public bool Strict { get; init; }

    /// <summary>
    /// What becomes of a conversation that does not fit into the context. By default it is a <see cref="ContextOverflowException"/>.
    /// </summary>
    public ContextOverflowPolicy ContextOverflow { get; init; }

    /// <summary>The model's name in answers and telemetry; null for the folder's name.</summary>
    public string? ModelId { get; init; }

    /// <summary>
    /// Whether a checkpoint without a tokenizer, or with one that is not supported, is loaded too; it then takes and returns token ids
    /// only, and <see cref="LocalGpt.Remarks"/> says so. By default that is an error.
    /// </summary>
    public bool AllowMissingTokenizer { get; init; }

    /// <summary>
    /// Called once when the model is ready, before it is handed out: the place to log <see cref="LocalGpt.Description"/> and
    /// <see cref="LocalGpt.Remarks"/>.
    /// </summary>
    public Action<LocalGpt>? OnLoaded { get; init; }
}

/// <summary>What becomes of a conversation that does not fit into a model's context.</summary>
public enum ContextOverflowPolicy
{
    /// <summary>It is refused with a <see cref="ContextOverflowException"/>.</summary>
    Throw,

    /// <summary>
    /// Its oldest turns are left out, as few as it takes to make room for the answer (but at most a quarter of the context for that).
    /// System messages and the last question stay, and function calls keep their results. A warning says so once.
    /// </summary>
    DropOldestTurns,
}
