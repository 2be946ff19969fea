using System.Globalization;
using System.Text.Json;
using Kotonoha.Rag;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Answering.Support;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Benchmarks.Truth;

/// <summary>
/// Are false sentences of a chat model held back, and true ones kept? A client that says a given sentence writes about one passage, the
/// only document.
/// </summary>
internal static class SupportBench
{
    private sealed record Case(string Question, string Passage, string Sentence, bool Supported, string Kind);

    /// <summary><c>support FILE… [--misses]</c>: files of JSON lines with question, passage, sentence, supported and kind.</summary>
    internal static async Task<int> RunAsync(string[] args)
    {
        foreach (var file in args.Where(arg => arg != "--misses"))
            foreach (var extension in (string[])["md", "txt"])
            {
                var cases = File.ReadLines(file).Select(line => JsonSerializer.Deserialize<Case>(line, JsonSerializerOptions.Web)!)
                    .ToList();
                var shown = new Dictionary<Case, bool>();
                var unanswered = new HashSet<Case>();
                foreach (var passage in cases.GroupBy(each => each.Passage))
                    await AskAsync(passage.Key, extension, [.. passage], shown, unanswered);
                Print(file, extension, cases, shown, unanswered, args.Contains("--misses"));
            }

        return 0;
    }

    /// <summary><c>support-read TEXT…</c>: the statements that sentences are taken apart into.</summary>
    internal static int Read(string[] args)
    {
        foreach (var text in args)
        {
            Console.WriteLine(text);
            var names = EnglishTokens.NamesIn(string.Join('\n', args)).ToHashSet(StringComparer.Ordinal);
            var sentence = JapaneseReader.IsJapanese(text) ? JapaneseReader.Read(text) : EnglishReader.Read(text, names);
            foreach (var statement in sentence.Statements)
                Console.WriteLine($"  {(statement.IsRestriction ? "restriction " : "")}{(statement.HasPredicate ? "" : "elliptic ")}"
                    + $"{(statement.IsSubjectElsewhere ? "subject elsewhere " : "")}{(statement.IsCopular ? "copular " : "")}"
                    + $"{(statement.IsPassive || statement.PassiveVerb is not null ? "passive " : "")}[{statement.Operators}] "
                    + string.Join(", ", statement.Items.Select(item => (item.IsSubject ? "*" : "")
                        + (item.Quantity is { } q ? $"{q.Bound} {q.Value} {q.Dimension}"
                            : item.Kind == ItemKind.Name ? item.Key.ToUpperInvariant()
                            : item.Key)
                        + (item.Marker.Length > 0 ? "/" + item.Marker : "") + (item.IsTime ? "@" : "")))
                    + (statement.Restrictions.Count > 0 ? $" ({statement.Restrictions.Count} restrictions)" : ""));
        }

        return 0;
    }

    private static async Task AskAsync(
        string passage, string extension, List<Case> cases, Dictionary<Case, bool> shown, HashSet<Case> unanswered)
    {
        var folder = Directory.CreateTempSubdirectory("kotonoha-support-");
        try
        {
            Directory.CreateDirectory(Path.Combine(folder.FullName, "docs"));
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "docs", "passage." + extension), passage);
            await using var knowledge = new KnowledgeBase(
                EmbeddedStore.Open(Path.Combine(folder.FullName, "k.db")), new SvdEmbedder(Path.Combine(folder.FullName, "e")));
            await knowledge.SyncFolderAsync(Path.Combine(folder.FullName, "docs"));
            foreach (var each in cases)
            {
                using var chat = new Fixed(each.Sentence);
                var styles = new List<bool>();
                bool found = true;
                foreach (var style in Enum.GetValues<WritingStyle>())
                {
                    var answer = await knowledge.AskAsync(each.Question, chat, new AskOptions { Writing = style });
                    found &= answer.Found;
                    styles.Add(answer.Found && answer.AnsweredBy == AnsweredBy.Model);
                }

                // A false sentence counts as shown in either style, a true one in both.
                if (!found)
                    unanswered.Add(each);
                shown[each] = each.Supported ? styles.TrueForAll(kept => kept) : styles.Exists(kept => kept);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Print(
        string file, string extension, List<Case> cases, Dictionary<Case, bool> shown, HashSet<Case> unanswered, bool misses)
    {
        foreach (var supported in (bool[])[false, true])
        {
            var group = cases.Where(each => each.Supported == supported).ToList();
            int count = group.Count(each => shown[each]);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{Path.GetFileName(file)} as .{extension}: {(supported ? "true" : "false")} sentences shown {count} of {group.Count} "
                + $"({100.0 * count / group.Count:F1} %), unanswered {group.Count(unanswered.Contains)}"));
            foreach (var kind in group.GroupBy(each => each.Kind).OrderBy(kind => kind.Key, StringComparer.Ordinal))
                Console.WriteLine($"  {kind.Key}: {kind.Count(each => shown[each])} of {kind.Count()}");
            if (misses)
                foreach (var each in group.Where(each => shown[each] != supported))
                    Console.WriteLine(
                        $"  - {each.Kind}{(unanswered.Contains(each) ? " (unanswered)" : "")} | {each.Question} | {each.Sentence}");
        }
    }

    private sealed class Fixed(string text) : IChatClient
    {
        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
            => Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, text)));

        public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null,
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            yield return new ChatResponseUpdate(ChatRole.Assistant, text);
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
