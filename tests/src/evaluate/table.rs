//! Tables of the parts that count: one form for the printed report and the page.

use std::fmt::{self, Write};

use super::html::escape;

/// A table with a title, a remark and columns; the first column holds names, the others figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its title.
    pub title: String,
    /// What to know before reading it.
    pub remark: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, each as long as the columns.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(title: &str, remark: &str, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            remark: remark.to_owned(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Writes it in columns of text.
    pub fn write_text(&self, page: &mut String) -> fmt::Result {
        let lines = || std::iter::once(&self.columns).chain(&self.rows);
        let width = |column: usize| {
            lines().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        writeln!(page, "  {}", self.title)?;
        for row in lines() {
            write!(page, "   ")?;
            for (column, cell) in row.iter().enumerate() {
                let width = width(column);
                if column == 0 { write!(page, " {cell:<width$}")? } else { write!(page, "  {cell:>width$}")? }
            }
            writeln!(page)?;
        }
        Ok(())
    }

    /// Writes it as a card of the page.
    pub fn write_html(&self, page: &mut String) -> fmt::Result {
        write!(
            page,
            "<div class=\"card\"><h3>{}</h3><p class=\"quiet\">{}</p><div class=\"scroll\"><table><thead><tr>",
            escape(&self.title),
            escape(&self.remark)
        )?;
        let class = |column: usize| if column == 0 { "name" } else { "number" };
        for (column, name) in self.columns.iter().enumerate() {
            write!(page, "<th class=\"{}\">{}</th>", class(column), escape(name))?;
        }
        page.push_str("</tr></thead><tbody>\n");
        for row in &self.rows {
            page.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                write!(page, "<td class=\"{}\">{}</td>", class(column), escape(cell))?;
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</tbody></table></div></div>\n<br>\n");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_names_are_text() {
        let mut table = Table::new("Title", "Remark", &["name", "n"]);
        table.rows.push(vec!["<a>".to_owned(), "10".to_owned()]);
        let [mut text, mut html] = [String::new(), String::new()];
        table.write_text(&mut text).unwrap();
        table.write_html(&mut html).unwrap();
        assert_eq!(text, "  Title\n    name   n\n    <a>   10\n");
        assert!(html.contains("&lt;a&gt;") && html.contains("Remark"));
    }
}
