namespace Kotonoha.Rag.Documents;

/// <summary>A line of a PDF page, or a table's cell text in it; coordinates in points from the page's upper left corner.</summary>
internal sealed record PdfLine(int Page, int Block, double Left, double Top, double Right, double Bottom, string Text)
{
    internal double Height => Bottom - Top;

    internal double Middle => (Top + Bottom) / 2;

    /// <summary>Whether two lines stand beside each other.</summary>
    internal bool IsBeside(PdfLine other)
        => Math.Min(Bottom, other.Bottom) - Math.Max(Top, other.Top) > 0.3 * Math.Min(Height, other.Height) && (Right < other.Left || other.Right < Left);
}
