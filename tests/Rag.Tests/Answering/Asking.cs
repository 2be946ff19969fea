using System.Text;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Answering;

/// <summary>Asks documents that a test writes out.</summary>
internal static class Asking
{
    /// <summary>Brings the documents into a store of their own and asks one question.</summary>
    public static async Task<Answer> AskAsync(this IReadOnlyDictionary<string, string> documents, string question)
    {
        using var folder = new TemporaryFolder();
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(folder.At("kb.db")));
        foreach (var (name, text) in documents)
            await knowledge.AddDocumentAsync(name, new MemoryStream(Encoding.UTF8.GetBytes(text)));
        return await knowledge.AskAsync(question);
    }

    /// <summary>The first quotation holds a text.</summary>
    public static async Task AssertQuotesAsync(this IReadOnlyDictionary<string, string> documents, string question, string expected)
    {
        var answer = await documents.AskAsync(question);
        Assert.True(answer.Found, answer.Text);
        Assert.Contains(expected, answer.Citations[0].Text, StringComparison.Ordinal);
    }

    /// <summary>The documents do not answer.</summary>
    public static async Task AssertRefusesAsync(this IReadOnlyDictionary<string, string> documents, string question)
    {
        var answer = await documents.AskAsync(question);
        Assert.False(answer.Found, answer.Text);
    }
}
