using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Rag.Chunking;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Answering;

/// <summary>Lets a chat model write the answer from numbered passages, and keeps of it what the passages support.</summary>
internal static partial class ModelWriter
{
    /// <summary>A passage supports a sentence that shares this part of its terms (by content), all of its numbers and all of its names.</summary>
    private const double SupportedShare = 0.7;

    private const string Refusal = "NOT FOUND";

    /// <summary>Asks the model.</summary>
    /// <param name="chat">The model.</param>
    /// <param name="question">The question.</param>
    /// <param name="passages">The passages, best first; as many are shown as fit the budget, the first one always.</param>
    /// <param name="options">The limits.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>What the model wrote.</returns>
    internal static async Task<ModelDraft> WriteAsync(
        IChatClient chat, Question question, IReadOnlyList<Passage> passages, AskOptions options, CancellationToken cancellationToken)
    {
        var shown = new List<Passage>();
        int size = 0;
        foreach (var passage in passages)
        {
            size += Chunker.Measure(passage.Chunk.Text);
            if (shown.Count > 0 && size > options.PromptBudget)
                break;
            shown.Add(passage);
        }

        var response = await chat.GetResponseAsync(
            [new ChatMessage(ChatRole.System, AnswerTexts.For(question).Instruction), new ChatMessage(ChatRole.User, Prompt(question, shown))],
            new ChatOptions { MaxOutputTokens = options.MaxOutputTokens, Temperature = 0 },
            cancellationToken).ConfigureAwait(false);
        return new ModelDraft(response.Text, shown, response.Text.Contains(Refusal, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Keeps the sentences that a passage supports; each rests on the sentence of that passage that it shares most with.</summary>
    internal static List<SupportedSentence> Check(ModelDraft draft)
    {
        var kept = new List<SupportedSentence>();
        if (draft.Refused)
            return kept;
        foreach (var (text, marks) in Sentences(draft.Text))
        {
            var cited = marks.Where(mark => mark >= 1 && mark <= draft.Passages.Count).Select(mark => draft.Passages[mark - 1]).ToList();
            var support = (cited.Count > 0 ? cited : draft.Passages).Where(passage => Supports(passage, text)).ToList();
            if (support.Count == 0)
                continue;
            var keys = TermKeys.Of(text);
            var (best, index) = support
                .SelectMany(passage => passage.Sentences.Select((candidate, i) => (passage, i, Shared: candidate.OwnKeys.Count(keys.Contains))))
                .OrderByDescending(candidate => candidate.Shared)
                .Select(candidate => (candidate.passage, candidate.i))
                .FirstOrDefault();
            if (best is not null)
                kept.Add(new SupportedSentence(text, best, index));
        }

        return kept;
    }

    /// <summary>The sentences without their markers. A marker may stand before the full stop or after it, where it would seem to open the next sentence.</summary>
    private static List<(string Text, HashSet<int> Marks)> Sentences(string draft)
    {
        var sentences = new List<(string Text, HashSet<int> Marks)>();
        foreach (var span in SentenceSplitter.Split(draft))
        {
            var sentence = draft[span.Start..span.End];
            var leading = LeadingMarks().Match(sentence);
            if (sentences.Count > 0 && leading.Length > 0)
            {
                sentences[^1].Marks.UnionWith(MarksIn(leading.Value));
                sentence = sentence[leading.Length..];
            }

            var text = Mark().Replace(sentence, "").Trim();
            if (text.Trim('.', '。').Length > 0)
                sentences.Add((text, [.. MarksIn(sentence)]));
        }

        return sentences;
    }

    private static IEnumerable<int> MarksIn(string text)
        => Mark().Matches(text).Select(match => int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture));

    private static bool Supports(Passage passage, string sentence)
    {
        var question = new Question(sentence);
        var content = question.Terms.Where(term => !TermKeys.IsHiragana(term.Term)).ToList();
        if (content.Count == 0 || content.Where(term => passage.Keys.Contains(term.Key)).Sum(term => term.Weight) < SupportedShare * content.Sum(term => term.Weight))
            return false;
        return passage.Numbers.IsSupersetOf(question.Numbers)
            && Name().Matches(question.Normalized).All(name => passage.Folded.Contains(Fold(name.Value), StringComparison.Ordinal));
    }

    private static string Fold(string text) => Foundation.Unicode.Normalizer.FoldCase(text);

    private static string Prompt(Question question, List<Passage> passages)
    {
        var prompt = new StringBuilder();
        for (int i = 0; i < passages.Count; i++)
        {
            // The fence is longer than any run of backticks inside, so no passage can leave it.
            int longest = Backticks().Matches(passages[i].Chunk.Text).Select(match => match.Length).DefaultIfEmpty(2).Max();
            var fence = new string('`', Math.Max(3, longest + 1));
            prompt.Append(CultureInfo.InvariantCulture, $"[{i + 1}] {passages[i].Chunk.Heading ?? passages[i].Chunk.Title}\n{fence}\n{passages[i].Chunk.Text}\n{fence}\n");
        }

        return prompt.Append('\n').Append(question.Text).ToString();
    }

    [GeneratedRegex(@"\s*\[(\d{1,3})\]")]
    private static partial Regex Mark();

    [GeneratedRegex(@"^(\s*\[\d{1,3}\])+")]
    private static partial Regex LeadingMarks();

    [GeneratedRegex("`+")]
    private static partial Regex Backticks();

    [GeneratedRegex(@"[ァ-ヴー]{3,}|(?<=[\p{Ll},] )[A-Z][A-Za-z\d-]+|(?<![A-Za-z])[A-Z]{2,}[A-Za-z\d]*")]
    private static partial Regex Name();
}
