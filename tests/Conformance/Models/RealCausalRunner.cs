using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.Conformance.Models;

/// <summary>
/// A published language model (NAME.json and NAME.safetensors for the folder NAME among the models) in exact mode: token ids of prompts and
/// chats, log-probabilities, last logits, and the greedy continuation up to the first choice that is too narrow to call.
/// </summary>
/// <param name="models">The folder of the models.</param>
internal sealed class RealCausalRunner(string models) : FixtureRunner
{
    private const double LogitTolerance = 0.01;
    private const double LeastMargin = 0.02;

    public override IEnumerable<string> Discover(string root)
    {
        foreach (var file in Directory.EnumerateFiles(root, "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            if (!File.Exists(Path.ChangeExtension(file, ".safetensors")))
                continue;
            using var json = JsonDocument.Parse(File.ReadAllBytes(file));
            if (json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("prompts", out var prompts)
                && prompts.ValueKind == JsonValueKind.Array && prompts.EnumerateArray().All(p => p.TryGetProperty("greedy_ids", out _)))
                yield return Path.GetRelativePath(root, file).Replace('\\', '/');
        }
    }

    public override void Run(string root, string family, CaseLog log)
    {
        var file = Path.Combine(root, family);
        var folder = Path.Combine(models, Path.GetFileNameWithoutExtension(file));
        if (!Directory.Exists(folder))
        {
            log.Skip(family, "model not found");
            return;
        }

        using var json = JsonDocument.Parse(File.ReadAllBytes(file));
        using var tensors = SafetensorsFile.Open(Path.ChangeExtension(file, ".safetensors"));
        using var gpt = LocalGpt.Load(folder, new LocalGptOptions { Exact = true, Device = ComputingDevice.Current });
        log.Pass(); // it could be loaded
        int number = 0;
        foreach (var prompt in json.RootElement.GetProperty("prompts").EnumerateArray())
        {
            var name = $"prompt.{number++}";
            var text = prompt.GetProperty("text").GetString()!;
            log.Case($"{name}: ids", () => Same(gpt.Tokenizer.Encode(text), prompt.GetProperty("input_ids").Ids()));
            Continue(name, prompt);
        }

        number = 0;
        if (json.RootElement.TryGetProperty("chats", out var chats))
            foreach (var chat in chats.EnumerateArray())
            {
                var name = $"chat.{number++}";
                log.Case($"{name}: rendered", () => Rendered(gpt, chat));
                log.Case($"{name}: ids",
                    () => Same(
                        gpt.Tokenizer.Encode(chat.GetProperty("rendered").GetString()!, addSpecialTokens: false, parseSpecialTokens: true),
                        chat.GetProperty("input_ids").Ids()));
                Continue(name, chat);
            }

        void Continue(string name, JsonElement item)
        {
            int[] ids = item.GetProperty("input_ids").Ids(), greedy = item.GetProperty("greedy_ids").Ids();
            var scores = gpt.ScoreTokensAsync(ids, includeLastLogits: true).GetAwaiter().GetResult();
            log.Case($"{name}: last logits",
                () => CaseLog.Compare([.. scores.LastLogits!], tensors.ReadFloats($"{name}.last_logits"), LogitTolerance, 0));
            if (item.TryGetProperty("log_probs", out var wanted))
                log.Case($"{name}: log-probabilities",
                    () => CaseLog.Compare([.. scores.LogProbabilities], [.. wanted.Numbers().Select(p => (float)p)], LogitTolerance, 0));
            log.Case($"{name}: greedy", () =>
            {
                var request = new GenerationRequest { TokenIds = ids, MaxOutputTokens = greedy.Length, Sampling = SamplingOptions.Greedy };
                int[] got = [.. gpt.CompleteAsync(request).GetAwaiter().GetResult().TokenIds];
                int same = got.AsSpan().CommonPrefixLength(greedy);
                if (same == greedy.Length)
                    return item.TryGetProperty("greedy_text", out var text) && gpt.Tokenizer.Decode(greedy) != text.GetString()
                        ? $"'{gpt.Tokenizer.Decode(greedy)}' is the text"
                        : null;
                var logits = gpt.ScoreTokensAsync([.. ids, .. greedy[..same]], includeLastLogits: true).GetAwaiter()
                    .GetResult().LastLogits!.OrderDescending().Take(2).ToArray();
                return logits[0] - logits[1] <= LeastMargin ? null : $"[{string.Join(' ', got)}], expected [{string.Join(' ', greedy)}]";
            });
        }
    }

    private static string? Same(int[] got, int[] want)
        => got.AsSpan().SequenceEqual(want) ? null : $"[{string.Join(' ', got)}], expected [{string.Join(' ', want)}]";

    private static string? Rendered(LocalGpt gpt, JsonElement chat)
    {
        var turns = chat.GetProperty("messages").EnumerateArray()
            .Select(m => new ChatTurn(m.GetProperty("role").GetString()!, m.GetProperty("content").GetString()!));
        var got = gpt.ChatTemplate.RenderText(turns, addGenerationPrompt: true);
        return got == chat.GetProperty("rendered").GetString() ? null : $"'{got}'";
    }
}
