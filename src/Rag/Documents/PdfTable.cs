namespace Kotonoha.Rag.Documents;

/// <summary>A table of a PDF page.</summary>
/// <param name="Text">One line a row, cells joined by <c> | </c>.</param>
internal sealed record PdfTable(string Text);
