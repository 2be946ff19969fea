using System.Text;
using Kotonoha.Foundation.Text;
using Kotonoha.LocalModel.Chat;
using Kotonoha.LocalModel.Tokenizers;
using Kotonoha.Rag.Chunking;
using Kotonoha.Readers;

namespace Kotonoha.Cli.Models;

/// <summary>
/// What the GPT of a folder learns from: the documents themselves, and for every sentence two short forms that put it to use: a question
/// answered by it (the form of a chat), and the sentence followed by a question that it answers (the form by which sentences are ranked).
/// The questions are headings and words of the sentence; nobody writes them by hand.
/// </summary>
internal sealed class TrainingRows(Tokenizer tokenizer)
{
    private const int MinSentence = 12, MaxSentence = 400, WordsInQuestion = 4;
    private readonly int end = tokenizer.TokenToId("<|endoftext|>")!.Value;

    /// <summary>What stands between a sentence and the question that it answers.</summary>
    public const string QuestionMark = "\n\nQ: ";

    /// <summary>The rows of one document, in tokens: its text first.</summary>
    public IEnumerable<ReadOnlyMemory<int>> Of(ExtractedDocument document, int seed)
    {
        yield return Row(tokenizer.Encode(document.Text, addSpecialTokens: false));
        var random = new Random(seed);
        foreach (var block in document.Blocks)
        {
            if (block.Kind is not (BlockKind.Paragraph or BlockKind.ListItem))
                continue;
            var heading = block.HeadingPath?.Split(" › ")[^1] ?? document.Title;
            foreach (var span in SentenceSplitter.Split(document.Text, block.Start, block.End))
            {
                if (span.Length is < MinSentence or > MaxSentence)
                    continue;
                var sentence = document.Text[span.Start..span.End];
                var words = Words(sentence, random);
                if (words.Length == 0)
                    continue;
                yield return Row(tokenizer.Encode(sentence + QuestionMark + words, addSpecialTokens: false));
                yield return Row(tokenizer.Encode(sentence + QuestionMark + (heading is null ? Words(sentence, random) : $"{heading} {Words(sentence, random)}"), addSpecialTokens: false));
                yield return ChatRow(heading ?? words, sentence);
            }
        }
    }

    // A few words of the sentence, in its order: neighbouring terms, so that Japanese gives pieces of words and not single characters.
    private static string Words(string sentence, Random random)
    {
        var terms = TextAnalyzer.Analyze(sentence);
        if (terms.Count == 0)
            return "";
        var text = new StringBuilder();
        int last = -1;
        foreach (int pick in Enumerable.Range(0, WordsInQuestion).Select(_ => random.Next(terms.Count)).Distinct().Order())
        {
            if (terms[pick].Start < last)
                continue;
            text.Append(text.Length > 0 ? " " : "").Append(sentence, terms[pick].Start, terms[pick].End - terms[pick].Start);
            last = terms[pick].End;
        }

        return text.ToString();
    }

    private int[] ChatRow(string question, string answer)
    {
        var ids = new List<int>();
        foreach (var segment in ChatTemplate.Kotonoha.Render([new ChatTurn(ChatTurn.User, question), new ChatTurn(ChatTurn.Assistant, answer)], addGenerationPrompt: false))
            tokenizer.Encode(segment.Text, ids, addSpecialTokens: false, parseSpecialTokens: segment.IsControl);
        return Row([.. ids]);
    }

    private int[] Row(int[] ids) => [.. ids, end];
}
