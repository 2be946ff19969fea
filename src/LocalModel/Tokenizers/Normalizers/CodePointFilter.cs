using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>Taking code points out of a text; the others keep their origin.</summary>
internal static class CodePointFilter
{
    public static void Remove(PieceBuffer buffer, Func<int, bool> remove)
    {
        var text = buffer.Text;
        int at = 0, start = 0;
        while (at < text.Length)
        {
            start = at;
            if (remove(CodePoints.Next(text, ref at)))
                break;
            start = at;
        }

        if (start == text.Length)
            return;
        var writer = buffer.Rewrite();
        writer.Copy(0, start);
        int kept = at;
        while (at < text.Length)
        {
            int next = at;
            if (remove(CodePoints.Next(text, ref next)))
            {
                writer.Copy(kept, at);
                kept = next;
            }

            at = next;
        }

        writer.Copy(kept, at);
        writer.Finish();
    }
}
