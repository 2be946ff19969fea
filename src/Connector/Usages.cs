using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>What a generation cost and why it ended, in the words of Microsoft.Extensions.AI and Semantic Kernel.</summary>
internal static class Usages
{
    /// <summary>The key under which Semantic Kernel's users look for the finish reason in a message's metadata.</summary>
    public const string FinishReasonKey = "FinishReason";

    /// <summary>The finish reason.</summary>
    public static ChatFinishReason FinishReason(FinishReason reason)
        => reason == LocalModel.Generation.FinishReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop;

    /// <summary>The tokens.</summary>
    public static UsageDetails Details(GenerationUsage usage) => new()
    {
        InputTokenCount = usage.InputTokens,
        OutputTokenCount = usage.OutputTokens,
        TotalTokenCount = usage.InputTokens + usage.OutputTokens,
        CachedInputTokenCount = usage.CachedInputTokens,
    };

    /// <summary>Durations, speed, seed and finish reason, for additional properties and metadata.</summary>
    public static Dictionary<string, object?> Properties(ChatFinishReason reason, GenerationUsage usage)
    {
        var properties = new Dictionary<string, object?>
        {
            [FinishReasonKey] = reason.Value,
            ["queue_duration"] = usage.QueueTime,
            ["prefill_duration"] = usage.PrefillTime,
            ["decode_duration"] = usage.DecodeTime,
        };
        if (usage.DecodeTime > TimeSpan.Zero && usage.OutputTokens > 1)
            properties["tokens_per_second"] = (usage.OutputTokens - 1) / usage.DecodeTime.TotalSeconds;
        if (usage.Seed is { } seed)
            properties["seed"] = seed;
        return properties;
    }
}
